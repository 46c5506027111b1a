"""Model files: the meta-parameters of one trained lane, and how they are adapted, in one file.

It is a safetensors file: each parameter under its own name (`w0`, `b0`, …), so that any reader of
that format has the weights; where the inner optimizer is Adam its memory as `inner_adam.v.NAME`
and `inner_adam.steps`.  The header's `metaopt` entry is JSON that says the rest (`Card`).

    format 2    says how data become inputs, too (`Card.data`)
    format 1    has none of that, and is read as such

Beside it `metaopt_hardest` may say what was hardest for the model, with pictures, for a report
(`metaopt.population.model_header` reads it without torch).

Reading one needs neither the data it was trained on nor the study.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from metaopt.algorithms.inner import InnerState
from metaopt.data.raw.preparation import Preparation
from metaopt.errors import CorruptModel, InvalidData
from metaopt.metaparams import Value
from metaopt.models.base import Params
from metaopt.population.checkpoint import write_whole
from metaopt.population.model_header import CARD, HARDEST
from metaopt.population.tensor_file import to_bytes

FORMAT = 2
READ = (1, 2)
_V, _STEPS = "inner_adam.v.", "inner_adam.steps"


@dataclass(frozen=True)
class Card:
    """What a model file says beside its weights.

    Args:
        algorithm: Its name.
        params: All meta-hyperparameters of the trial.
        tasks, model: As in a study spec.
        input_shape: Shape of one input.
        outputs: Width C of the output: classes, or numbers to predict.
        classification: Whether outputs are logits of classes.
        transductive: Whether batch norm takes its statistics from the query examples together.
        inner_lr: α of the adaptation.
        steps: Inner steps after which the trial was scored.
        meta_iterations: For how many it was trained.
        own_loss: Whether its tasks have a loss of their own, by which it adapts.
        acts: Whether it is a policy of tasks that are acted in, in which it adapts.
        plugins: Plug-ins of its kinds: family, name, package, version and digest of each.
        data: How somebody's data become inputs; None takes inputs as they are.
        train_classes: How many classes meta-training had in all, if it told all of them apart.
    """

    algorithm: str
    params: dict[str, Value]
    tasks: dict[str, Any]
    model: dict[str, Any]
    input_shape: list[int]
    outputs: int
    classification: bool
    transductive: bool
    inner_lr: float
    steps: int
    meta_iterations: int
    own_loss: bool = False
    acts: bool = False
    plugins: list[dict[str, str]] = field(default_factory=list)
    data: Preparation | None = None
    train_classes: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain data; what is not so for most models is left out."""
        data = {**asdict(self), "data": self.data and self.data.to_json()}
        return {name: value for name, value in data.items() if name not in _RARE or value}


_RARE = ("own_loss", "acts", "plugins", "train_classes")


@dataclass(frozen=True)
class ModelFile:
    """A model file's content: its card, weights, and inner Adam's memory (None for SGD).

    `inner` has no leading axes, as the weights; its `steps` are 1 number.  `hardest` is the text of
    the entry of that name; it is written, and read where it is asked for.
    """

    card: Card
    weights: Params
    inner: InnerState | None
    hardest: str | None = None


def write(path: Path, model: ModelFile) -> str:
    """Write a model file, whole or not at all, and return its SHA-256."""
    tensors = dict(model.weights)
    if model.inner is not None:
        tensors |= {_V + name: v for name, v in model.inner.v.items()}
        tensors[_STEPS] = model.inner.steps
    texts = {CARD: _card_json(model.card)}
    if model.hardest is not None:
        texts[HARDEST] = model.hardest
    content = to_bytes(tensors, texts)
    write_whole(path, content)
    return hashlib.sha256(content).hexdigest()


def read(content: bytes) -> ModelFile:
    """The card, weights and inner memory in a model file.

    Raises:
        CorruptModel: it is none of ours, or of a newer format.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors: dict[str, Tensor] = load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        fields = json.loads(header["__metadata__"][CARD])
        version = fields.pop("format")
        if version not in READ:
            rule = f"this version reads {' and '.join(map(str, READ))}"
            raise CorruptModel(f"the model file has format {version}, {rule}")
        data = fields.pop("data", None)
        card = Card(**fields, data=None if data is None else Preparation.from_json(data))
    except (InvalidData, SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptModel(f"this is no model file of metaopt: {error}") from None
    own = {name: t for name, t in tensors.items() if not name.startswith("inner_adam.")}
    return ModelFile(card, own, _inner(tensors))


def _card_json(card: Card) -> str:
    return json.dumps({**card.to_json(), "format": FORMAT}, sort_keys=True, allow_nan=False)


def _inner(tensors: dict[str, Tensor]) -> InnerState | None:
    if _STEPS not in tensors:
        return None
    v = {name.removeprefix(_V): t for name, t in tensors.items() if name.startswith(_V)}
    return InnerState(v, tensors[_STEPS])
