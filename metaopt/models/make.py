"""Models from the plain dict of a study spec."""

from metaopt.errors import InvalidModel
from metaopt.messages import shown
from metaopt.models.base import Model
from metaopt.models.kind import ModelKind
from metaopt.models.registry import MODELS
from metaopt.options import Options


def make_model(
    spec: Options, input_shape: tuple[int, ...], outputs: int, *, kind: ModelKind | None = None
) -> Model:
    """The model that `spec` describes, sized for inputs and outputs of the tasks.

    Args:
        kind: Of `spec`; None looks it up.

    Raises:
        InvalidModel: unknown kind or option, a value that breaks its rule, a kind that is not made
            for such inputs, or a model that is none.
    """
    kind = kind or MODELS.get(spec.get("kind"))
    options = kind.complete(spec)
    kind.check(options, input_shape)
    model: Model = kind.make(options, input_shape, outputs)
    lacking = [name for name in _NEEDED if not hasattr(model, name)]
    if lacking:
        raise InvalidModel(
            f"model {kind.name} must have {', '.join(_NEEDED)}, {shown(model)} lacks {lacking[0]}"
        )
    return model


_NEEDED = ("input_shape", "shapes", "not_adapted", "init", "apply")
