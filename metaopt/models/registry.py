"""Models by name, from the plain dict of a study spec."""

from typing import Any

from metaopt.errors import InvalidModel
from metaopt.models.base import Model
from metaopt.models.conv4 import Conv4
from metaopt.models.mlp import Mlp


def make_model(spec: dict[str, Any], input_shape: tuple[int, ...], outputs: int) -> Model:
    """Return the model that `spec` describes, sized for inputs and outputs of the tasks.

    Raises:
        InvalidModel: unknown kind, or a convolution without images of at least 16×16.
    """
    kind = spec.get("kind")
    if spec.get("precision", "float32") not in ("float32", "bfloat16"):
        raise InvalidModel(
            f"model.precision must be float32 or bfloat16, got {spec['precision']!r}"
        )
    if kind == "mlp":
        widths = tuple(spec.get("widths", (40, 40)))
        activation, init = spec.get("activation", "relu"), spec.get("init", "glorot")
        return Mlp(input_shape, widths, outputs, activation, init)
    if kind == "linear":
        return Mlp(input_shape, (), outputs)
    if kind == "conv4":
        if len(input_shape) != 3 or min(input_shape[1:]) < 16:
            raise InvalidModel(
                f"model conv4 needs images of at least 16×16, the tasks give {input_shape}"
            )
        options = {k: spec[k] for k in ("filters", "pooling", "adapt_norm") if k in spec}
        return Conv4(input_shape, outputs, **options)
    raise InvalidModel(f"model.kind must be mlp, linear or conv4, got {kind!r}")
