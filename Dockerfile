# One image for every role; what follows is the arguments of `metaopt`: api, dispatcher, db upgrade.
#
# Which build of torch comes in is decided here, by build argument, and by nothing else:
#     docker build --build-arg TORCH_INDEX_URL=ADDRESS .
# where ADDRESS is the package index of the build you need (CUDA 12.x, ROCm, CPU only), as the
# installation page of PyTorch names it.  Without it pip takes the default build.
FROM python:3.11.14-slim-bookworm

ARG TORCH_INDEX_URL=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUNBUFFERED=1

WORKDIR /app

# torch first: the largest layer, and the one that changes least.  Its range is pyproject's.
COPY pyproject.toml constraints.txt ./
RUN python -c 'import tomllib; wanted = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
print(*(one for one in wanted["optional-dependencies"]["server"] if one.startswith("torch")))' > torch.txt \
    && pip install ${TORCH_INDEX_URL:+--index-url "$TORCH_INDEX_URL"} -r torch.txt \
    && rm torch.txt

# Lanes are compiled here where that pays (docs/performance.md).
RUN apt-get update && apt-get install --yes --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*

COPY README.md LICENSE ./
COPY examples examples
COPY migrations migrations
COPY metaopt metaopt
COPY service service
RUN pip install -c constraints.txt '.[server,blobs]'

RUN useradd --uid 10001 --create-home metaopt && install -d -o metaopt -g metaopt /data
USER metaopt
WORKDIR /home/metaopt

# The worker needs CUDA itself and nvidia-smi, which lists the devices.
ENV METAOPT_DATA_DIRECTORY=/data NVIDIA_DRIVER_CAPABILITIES=compute,utility
VOLUME /data
EXPOSE 8000
ENTRYPOINT ["metaopt"]
CMD ["serve"]
