"""Data sets: add, list, show, download, remove.

    POST /datasets {manifest, name}   201, or 409 dataset-incomplete: its arrays are not here
    PUT  /datasets/blobs/SHA-256      the arrays, once; then POST again

So whatever was sent before, by whomever, is not sent again.  Files are in no transaction with the
audit log: its row is committed before they are changed, so that nothing is changed without one.
"""

from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Depends, Path, Request, Response
from starlette.responses import FileResponse

from service.api.bodies.body import parse_dataset, read_up_to
from service.api.bodies.uploads import receive
from service.api.context import Ctx
from service.api.openapi import ARRAYS, ARRAYS_BODY, DATASET_BODY, PROBLEMS
from service.api.studies import Cursor, Limit, link_next
from service.auth.policy import READ, SUBMIT
from service.errors import DatasetDamaged
from service.operations import datasets
from service.operations.datasets import in_our_words
from service.wire.parsing.plain_data import MAX_MANIFEST_BYTES
from service.wire.views.datasets import (
    PAGE_LIMIT,
    DatasetList,
    DatasetView,
    RemovedDataset,
    Sha256,
    UploadedArrays,
)

PREFIX = "/api/v1/datasets"
HEAD_BYTES = 2**12
"""More than a file of arrays has beside these."""

Reference = Annotated[
    str, Path(description="Name of the data set, or `sha256:` and its digest.", max_length=200)
]

router = APIRouter(prefix=PREFIX, tags=["datasets"], responses=PROBLEMS)


async def read_manifest_body(request: Request) -> bytes:
    """Return the body of a manifest, which may be larger than others."""
    return await read_up_to(request, MAX_MANIFEST_BYTES)


@router.post(
    "",
    dependencies=SUBMIT,
    status_code=201,
    response_model=DatasetView,
    openapi_extra=DATASET_BODY,
    operation_id="add_dataset",
)
def add(
    request: Request,
    response: Response,
    body: Annotated[bytes, Depends(read_manifest_body)],
    context: Ctx,
) -> DatasetView:
    """Add a data set whose arrays are here; the very same again changes nothing."""
    data = parse_dataset(body, request.headers.get("content-type", ""))
    view = datasets.add_dataset(context.store(), data, context.room, context.record)
    response.headers["Location"] = f"{PREFIX}/{view.digest}"
    return view


@router.put(
    "/blobs/{sha256}",
    dependencies=SUBMIT,
    response_model=UploadedArrays,
    openapi_extra=ARRAYS_BODY,
    operation_id="upload_arrays",
)
async def upload(
    sha256: Annotated[Sha256, Path(description="Of the file.")], request: Request, context: Ctx
) -> UploadedArrays:
    """Send arrays for a manifest to name; those that are here already are not read again."""
    store = context.store()
    with in_our_words():
        if await to_thread.run_sync(store.has_arrays, sha256):
            await to_thread.run_sync(context.record)
        else:
            most = context.room.most_bytes
            room = context.room._replace(most_bytes=most and most + HEAD_BYTES)
            staging, now = store.incoming, context.now()
            await receive(request, staging, sha256, room, now, context.record)
    return UploadedArrays(sha256=sha256)


@router.get("", dependencies=READ, response_model=DatasetList, operation_id="list_datasets")
def list_datasets(
    request: Request,
    response: Response,
    context: Ctx,
    cursor: Cursor = None,
    limit: Limit = PAGE_LIMIT,  # what a client of before there were pages takes for all
) -> DatasetList:
    """Return data sets, by their first name; a page may have fewer than there are behind it."""
    page = datasets.list_datasets(context.store(), cursor=cursor, limit=limit)
    link_next(request, response, page.next_cursor)
    return page


@router.get(
    "/{reference}", dependencies=READ, response_model=DatasetView, operation_id="get_dataset"
)
def show(reference: Reference, context: Ctx) -> DatasetView:
    """Return a data set's manifest, digest and names."""
    return datasets.show_dataset(context.store(), reference)


@router.get(
    "/{reference}/blob",
    dependencies=READ,
    response_class=Response,
    responses=ARRAYS,
    operation_id="get_dataset_arrays",
)
def download(reference: Reference, context: Ctx) -> Response:
    """Send the file of a data set's arrays, or the part of it that `Range` asks for."""
    store = context.store()
    with in_our_words():
        manifest = store.get(reference)
    path = store.arrays_of(manifest)
    if not path.is_file():
        raise DatasetDamaged(f"the arrays of {reference} are gone: add the data again")
    headers = {"ETag": f'"{manifest.arrays}"', "X-Content-Type-Options": "nosniff"}
    return FileResponse(
        path,
        headers=headers,
        media_type="application/octet-stream",
        filename=f"{manifest.digest[:12]}.safetensors",
    )


@router.delete(
    "/{reference}",
    dependencies=SUBMIT,
    response_model=RemovedDataset,
    operation_id="remove_dataset",
)
def remove(reference: Reference, context: Ctx) -> RemovedDataset:
    """Forget a name, and the data that have no other; by digest, all its names.

    Refused while a study that has not ended, or a schedule, names the data that would go.
    """
    return datasets.remove_dataset(context.store(), context.reading, reference, context.record)
