"""The names of trivial predictors (`metaopt.evaluation.trivial`); no torch here."""

FOR_NUMBERS = ("support_mean", "ridge")
FOR_CLASSES = ("class_frequencies", "nearest_mean", "ridge")
TRIVIAL_NAMES = tuple(dict.fromkeys((*FOR_NUMBERS, *FOR_CLASSES)))


def trivial_names(classification: bool) -> tuple[str, ...]:
    """Those of tasks that ask for classes, or else for numbers."""
    return FOR_CLASSES if classification else FOR_NUMBERS
