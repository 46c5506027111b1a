"""What a spec says beyond defaults: the least that means the same."""

from typing import Any

from service.wire.spec.space import without_defaults
from service.wire.spec.study import StudySpec


def beyond_defaults(spec: StudySpec) -> dict[str, Any]:
    """The spec as plain data without what is at its default; parsed again it is the same spec.

    Kinds stay wherever a part is shown: without its kind it could not be read.
    """
    shown: dict[str, Any] = _kept(
        spec.model_dump(mode="json"), spec.model_dump(mode="json", exclude_defaults=True)
    )
    shown["branches"] = [without_defaults(branch) for branch in shown["branches"]]
    return shown


def _kept(whole: Any, short: Any) -> Any:
    if isinstance(whole, dict):
        names = [name for name in whole if name in short or name == "kind"]
        return {name: _kept(whole[name], short.get(name, whole[name])) for name in names}
    if isinstance(whole, list):
        return [_kept(*pair) for pair in zip(whole, short, strict=True)]
    return whole
