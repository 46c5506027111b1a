"""Models from the plain dict of a study spec."""

from metaopt.errors import InvalidModel
from metaopt.models.base import Model
from metaopt.models.kind import PRECISION, ModelKind
from metaopt.models.registry import MODELS
from metaopt.options import Options, with_defaults


def make_model(
    spec: Options, input_shape: tuple[int, ...], outputs: int, *, kind: ModelKind | None = None
) -> Model:
    """The model that `spec` describes, sized for inputs and outputs of the tasks.

    Args:
        kind: Of `spec`; None looks it up.

    Raises:
        InvalidModel: unknown kind or precision, or a kind that is not made for such inputs.
    """
    kind = kind or MODELS.get(spec.get("kind"))
    if spec.get("precision", "float32") not in PRECISION.choices:
        raise InvalidModel(
            f"model.precision must be {' or '.join(PRECISION.choices)}, got {spec['precision']!r}"
        )
    options = with_defaults(kind.options, spec)
    kind.check(options, input_shape)
    model: Model = kind.make(options, input_shape, outputs)
    return model
