"""w·(1, x, x²)."""

from metaopt.errors import InvalidModel
from metaopt.models.kind import ModelKind, Size


def _make(options, input_shape, outputs):
    import torch

    class Quadratic:
        not_adapted = frozenset()

        def __init__(self):
            self.input_shape = input_shape
            self.shapes = {"w": (3, outputs)}

        def init(self, keys, dtype):
            return {"w": torch.zeros(*keys.shape, 3, outputs, dtype=dtype, device=keys.device)}

        def apply(self, params, x, *, reference=None):
            return torch.cat([torch.ones_like(x), x, x**2], -1) @ params["w"]

    return Quadratic()


def _check(options, input_shape):
    if input_shape != (1,):
        raise InvalidModel(f"model quadratic needs one number, the tasks give {input_shape}")


KIND = ModelKind(
    name="quadratic",
    doc="w·(1, x, x²).",
    options=(),
    make=_make,
    size=lambda options, input_shape, outputs: Size(3 * outputs, 3 + outputs),
    check=_check,
)
