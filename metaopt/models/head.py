"""The head of a model, its last layer, and the body below it.

    x ──features──▶ (*B, N, D) ──answer──▶ outputs (*B, N, C)
        body              head

Models say it by the optional part of their protocol (`metaopt.models.base.WithHead`).
"""

from typing import cast

from metaopt.errors import InvalidModel
from metaopt.messages import shown
from metaopt.models.base import Model, WithHead


def head_of(model: Model) -> tuple[str, ...]:
    """The names of the head's parameters.

    Raises:
        InvalidModel: the model does not say, or has nothing else.
    """
    head: tuple[str, ...] | None = getattr(model, "head", None)
    if not head:
        raise InvalidModel(
            f"model {shown(model)} does not say which parameters are its head: give it `head`, "
            "the names of those of its last layer"
        )
    return tuple(head)


def with_features(model: Model) -> WithHead | None:
    """The model, if its head can be computed apart from its body; else None."""
    return cast(WithHead, model) if getattr(model, "features", None) is not None else None
