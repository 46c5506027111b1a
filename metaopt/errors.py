"""What a caller of `metaopt` can do wrong.

    MetaoptError (ValueError)
    ├── InvalidMetaParameter   a meta-hyperparameter outside its rule
    ├── InvalidTasks           task family, split, way, shot or data file unusable
    ├── InvalidData            a user's data that cannot be packed, or a data set that is none
    │   ├── DataNotFound       no data set of that name or digest
    │   ├── DataIncomplete     a manifest whose arrays are not there
    │   ├── InvalidManifest    a manifest that no packing would give; says which fields
    │   ├── DataNameTaken      the name means another data set
    │   ├── NoRoom             as much as is kept waits for its manifest already
    │   └── DamagedData        a stored data set whose bytes are not what its digest says
    ├── InvalidModel           model kind or size unusable for these tasks
    ├── InvalidPopulation      lane unknown, already there, or of another signature
    ├── CorruptCheckpoint      a checkpoint whose bytes are not what its digest says
    ├── CorruptModel           a model file that is none
    ├── InvalidExamples        examples that do not fit a model
    ├── InvalidCost            a cost metric unknown, or declared in two ways
    ├── InvalidSearch          sampler, pruning rule or space unusable
    ├── InvalidPlugin          a plug-in not allowed, not installed, or that declares no kind
    ├── InvalidGate            a gate that is no rule, or whose number is out of bounds
    ├── CorruptProgram         a compiled program whose file is damaged
    └── MiscompiledProgram     a compiled program whose results are not the plain one's

Divergence is no error: see `metaopt.population`.
"""

from collections.abc import Sequence


class MetaoptError(ValueError):
    """A bad call: the message names the value, the rule it broke and the way out.

    `lane` is whose fault it is, where one of several lanes is known to be.
    """

    lane: str | None = None


class InvalidMetaParameter(MetaoptError):
    """A meta-hyperparameter is outside its rule."""


class InvalidTasks(MetaoptError):
    """A task family, split, way, shot or data file cannot be used."""


class InvalidData(MetaoptError):
    """A user's data cannot be packed, or a data set is not there, damaged, or its name is taken."""


class DataNotFound(InvalidData):
    """There is no data set of that name or digest."""


class DataIncomplete(InvalidData):
    """The arrays that a manifest names are not there: send them first."""


class InvalidManifest(InvalidData):
    """A manifest breaks rules of packing; `broken` has fields and rules."""

    def __init__(self, broken: Sequence[tuple[str, str]]) -> None:
        """Keep the rules, and say the first."""
        more = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
        field, rule = broken[0]
        super().__init__(f"no manifest of a data set: {field} {rule}{more}")
        self.broken = tuple(broken)


class DataNameTaken(InvalidData):
    """The name means another data set here."""


class NoRoom(InvalidData):
    """Arrays that no manifest came for take as much as is kept of them."""


class DamagedData(InvalidData):
    """A stored data set is damaged: adding it again mends it."""


class InvalidModel(MetaoptError):
    """A model kind or size cannot be used for these tasks."""


class InvalidPopulation(MetaoptError):
    """A lane is unknown, already there, or belongs to another signature."""


class CorruptCheckpoint(MetaoptError):
    """A checkpoint's bytes are not what its digest or its header says."""


class CorruptModel(MetaoptError):
    """A model file is none of ours, or of a newer format."""


class InvalidExamples(MetaoptError):
    """Examples to adapt to do not fit the model: shapes, classes or numbers."""


class InvalidCost(MetaoptError):
    """A cost metric is unknown, its name is taken, or its declaration contradicts itself."""


class InvalidSearch(MetaoptError):
    """A sampler, pruner or search space cannot be used."""


class InvalidGate(MetaoptError):
    """A gate is none of the rules that there are, or its argument is outside its bounds."""


class InvalidPlugin(MetaoptError):
    """A plug-in is not allowed, is not there, cannot be imported, or declares no kind."""


class CorruptProgram(MetaoptError):
    """A compiled program's file is none, or damaged; it has to be compiled again."""


class MiscompiledProgram(MetaoptError):
    """A compiled program does not compute what the plain one computes; the plain one is used."""


LONGEST_CAUSE = 500


def in_words(error: BaseException) -> str:
    """Why something failed, in one line: our own message, or the kind of anybody's error too."""
    text = " ".join(str(error).split())
    named = text if isinstance(error, MetaoptError) else f"{type(error).__name__}: {text}"
    return named.rstrip(": ")[:LONGEST_CAUSE] or type(error).__name__
