"""The kernel by which a device proves itself, in the process that is to use it.

    python -m service.executors.kernel DEVICE      says what is wrong, and ends with `BROKEN`

One small product has to come out right: that takes a build of torch for the device, a driver that
is new enough, kernels for its kind, and memory that is left.
"""

import sys

from service.executors.proof import BROKEN


def fault(device: str) -> str | None:
    """Why nothing can be computed on `device` ("cpu", "cuda"), or None."""
    import torch

    if device == "cuda" and not torch.backends.cuda.is_built():
        return f"torch {torch.__version__} is built without CUDA: install a build with it"
    try:
        twos = torch.full((8, 8), 2.0, device=device)
        total = float((twos @ twos).sum())
    except (RuntimeError, AssertionError) as error:
        return _cause(error)
    return None if total == 2048 else f"it computes wrong: {total:g} in the place of 2048"


def _cause(error: Exception) -> str:
    import torch

    lines = (line.strip() for line in str(error).splitlines())
    first = next(filter(None, lines), type(error).__name__)
    if "no kernel image" not in first:
        return first
    return (
        f"torch {torch.__version__} has no kernels for its compute capability, only for "
        f"{', '.join(torch.cuda.get_arch_list())}: install a build for this GPU"
    )


def main(device: str) -> int:
    """Say what is wrong with `device`; return the exit status."""
    cause = fault(device)
    if cause is not None:
        print(cause)
    return 0 if cause is None else BROKEN


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
