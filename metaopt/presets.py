"""Presets: meta-hyperparameters that papers and their authors' code published.

Each number has the place it was read at.  Rates are for losses that are means over all examples,
as everywhere here: where a source sums over its N classes, its inner rate is multiplied by N
(docs/meta-learning.md).  Parameters that a source does not mention have their defaults.

Read again in the authors' repositories in November 2026: cbfinn/maml at a7f45f1 (main.py, and
`xent` in utils.py for the sum over classes), openai/supervised-reptile at 8f2b71c (README and
supervised_reptile/models.py for β1 = 0), learnables/learn2learn at db5cee3.  The sinusoid demo of
Reptile is a gist; it was read in a copy that names it.

`paper:` presets are the paper's experiment, as in its authors' published commands; `code:` presets
come from another library's own example.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from metaopt.algorithms.registry import complete
from metaopt.errors import InvalidMetaParameter
from metaopt.messages import did_you_mean, shown
from metaopt.metaparams import Value


class Published(NamedTuple):
    """A value, and where it was published."""

    value: Value
    source: str


@dataclass(frozen=True)
class Preset:
    """A published recipe.

    Args:
        name: As specs name it.
        algorithm: "maml" or "reptile".
        tasks: Kind of tasks that it was published for: "sinusoid" or "omniglot".
        experiment: What it was published for, with how long it was trained and how it scored.
        values: Meta-hyperparameters by name.
    """

    name: str
    algorithm: str
    tasks: str
    experiment: str
    values: Mapping[str, Published]

    def params(self) -> dict[str, Value]:
        """Every meta-hyperparameter of the algorithm."""
        return complete(
            self.algorithm, {name: published.value for name, published in self.values.items()}
        )


_MAML = "Finn, Abbeel & Levine 2017, arXiv:1703.03400"
_MAML_CODE = "cbfinn/maml, main.py"
_REPTILE = "Nichol, Achiam & Schulman 2018, arXiv:1803.02999"
_REPTILE_CODE = "openai/supervised-reptile, README"
_L2L = "learnables/learn2learn, examples/vision/maml_omniglot.py"

_MAML_OUTER = {
    "outer_optimizer": Published("adam", f"{_MAML}, section 5: Adam as the meta-optimizer"),
    "outer_lr": Published(1e-3, f"{_MAML_CODE}: --meta_lr=0.001, its default"),
    "schedule": Published("constant", f"{_MAML_CODE}: no decay"),
    "order": Published("second", f"{_MAML}, Algorithm 1"),
}
_REPTILE_OMNIGLOT = {
    "inner_optimizer": Published("adam", f"{_REPTILE}, section 6: Adam with β1 = 0"),
    "epsilon": Published(1.0, f"{_REPTILE_CODE}: --meta-step 1"),
    "schedule": Published("linear", f"{_REPTILE_CODE}: --meta-step-final 0"),
    "meta_batch": Published(5, f"{_REPTILE_CODE}: --meta-batch 5"),
    "train_shots": Published(10, f"{_REPTILE_CODE}: --train-shots 10"),
    "test_steps": Published(50, f"{_REPTILE_CODE}: --eval-iters 50"),
}
_REPTILE_5WAY = {
    **_REPTILE_OMNIGLOT,
    "inner_lr": Published(1e-3, f"{_REPTILE_CODE}: --learning-rate 0.001"),
    "inner_steps": Published(5, f"{_REPTILE_CODE}: --inner-iters 5"),
    "inner_batch": Published(10, f"{_REPTILE_CODE}: --inner-batch 10"),
}
_REPTILE_20WAY = {
    **_REPTILE_OMNIGLOT,
    "inner_lr": Published(5e-4, f"{_REPTILE_CODE}: --learning-rate 0.0005"),
    "inner_steps": Published(10, f"{_REPTILE_CODE}: --inner-iters 10"),
    "inner_batch": Published(20, f"{_REPTILE_CODE}: --inner-batch 20"),
}

PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            "paper:maml-sinusoid",
            "maml",
            "sinusoid",
            "Sinusoids, 10 shots: 70,000 meta-iterations; squared error 0.67 after one step on 5 "
            "shots (Table 2)",
            {
                **_MAML_OUTER,
                "inner_lr": Published(
                    0.01, f"{_MAML}, section 5.1: α = 0.01 (its code's default is 0.001)"
                ),
                "inner_steps": Published(1, f"{_MAML}, section 5.1: one gradient update"),
                "test_steps": Published(1, f"{_MAML}, Table 2, first column"),
                "meta_batch": Published(25, f"{_MAML_CODE}: --meta_batch_size=25, its default"),
            },
        ),
        Preset(
            "paper:maml-omniglot-5w1s",
            "maml",
            "omniglot",
            "Omniglot 5-way 1-shot: 60,000 meta-iterations; 98.7 ± 0.4 % (Table 1, transductive)",
            {
                **_MAML_OUTER,
                "inner_lr": Published(
                    2.0, f"{_MAML_CODE}: --update_lr=0.4 on a loss summed over 5 classes"
                ),
                "inner_steps": Published(1, f"{_MAML_CODE}: --num_updates=1"),
                "test_steps": Published(3, f"{_MAML}, appendix A.1: 3 steps at test"),
                "meta_batch": Published(32, f"{_MAML_CODE}: --meta_batch_size=32"),
            },
        ),
        Preset(
            "paper:maml-omniglot-20w1s",
            "maml",
            "omniglot",
            "Omniglot 20-way 1-shot: 60,000 meta-iterations; 95.8 ± 0.3 % (Table 1, transductive)",
            {
                **_MAML_OUTER,
                "inner_lr": Published(
                    2.0, f"{_MAML_CODE}: --update_lr=0.1 on a loss summed over 20 classes"
                ),
                "inner_steps": Published(5, f"{_MAML_CODE}: --num_updates=5"),
                "test_steps": Published(5, f"{_MAML}, appendix A.1: 5 steps at test"),
                "meta_batch": Published(16, f"{_MAML_CODE}: --meta_batch_size=16"),
            },
        ),
        Preset(
            "code:learn2learn-maml-omniglot-5w1s",
            "maml",
            "omniglot",
            "Omniglot 5-way 1-shot: 60,000 meta-iterations; 88.9 % with the fully connected net of "
            "the script, 99.1 % with conv4 in its place (README beside it)",
            {
                "inner_lr": Published(0.5, f"{_L2L}: fast_lr 0.5 on a mean loss"),
                "inner_steps": Published(1, f"{_L2L}: adaptation_steps 1"),
                "test_steps": Published(1, f"{_L2L}: tested with as many steps as trained"),
                "outer_lr": Published(3e-3, f"{_L2L}: meta_lr 0.003"),
                "outer_optimizer": Published("adam", f"{_L2L}: Adam"),
                "meta_batch": Published(32, f"{_L2L}: meta_batch_size 32"),
                "order": Published("second", f"{_L2L}: first_order=False"),
            },
        ),
        Preset(
            "paper:reptile-omniglot-5w1s",
            "reptile",
            "omniglot",
            "Omniglot 5-way 1-shot: 100,000 meta-iterations; 95.39 ± 0.09 %, transductive 97.68 "
            "± 0.04 %",
            _REPTILE_5WAY,
        ),
        Preset(
            "paper:reptile-omniglot-5w5s",
            "reptile",
            "omniglot",
            "Omniglot 5-way 5-shot: 100,000 meta-iterations; 98.90 ± 0.10 %, transductive 99.48 "
            "± 0.06 %",
            _REPTILE_5WAY,
        ),
        Preset(
            "paper:reptile-omniglot-20w1s",
            "reptile",
            "omniglot",
            "Omniglot 20-way 1-shot: 200,000 meta-iterations; 88.14 ± 0.15 %, transductive 89.43 "
            "± 0.14 %",
            _REPTILE_20WAY,
        ),
        Preset(
            "paper:reptile-omniglot-20w5s",
            "reptile",
            "omniglot",
            "Omniglot 20-way 5-shot: 200,000 meta-iterations; 96.65 ± 0.33 %, transductive 97.12 "
            "± 0.32 %",
            _REPTILE_20WAY,
        ),
        Preset(
            "code:reptile-sinusoid",
            "reptile",
            "sinusoid",
            "Sinusoids (sin(x + φ), φ up to 2π): 30,000 meta-iterations of the author's short demo",
            {
                "inner_optimizer": Published("sgd", "joschu's Reptile demo: SGD"),
                "inner_lr": Published(0.02, "joschu's Reptile demo: innerstepsize = 0.02"),
                "inner_steps": Published(5, "joschu's Reptile demo: one epoch of 5 mini-batches"),
                "inner_batch": Published(10, "joschu's Reptile demo: ntrain = 10"),
                "train_shots": Published(50, "joschu's Reptile demo: a grid of 50 points"),
                "epsilon": Published(0.1, "joschu's Reptile demo: outerstepsize0 = 0.1"),
                "schedule": Published("linear", "joschu's Reptile demo: linearly to 0"),
                "meta_batch": Published(1, "joschu's Reptile demo: one task per outer step"),
                "test_steps": Published(32, "joschu's Reptile demo: 32 SGD steps at test"),
            },
        ),
    )
}


def find_preset(name: str) -> Preset:
    """The preset of that name.

    Raises:
        InvalidMetaParameter: there is none; names them all.

    Example:
        >>> find_preset("paper:maml-omniglot-5w1s").params()["inner_lr"]
        2.0
    """
    if not isinstance(name, str) or name not in PRESETS:
        meant = did_you_mean(name, PRESETS)
        raise InvalidMetaParameter(
            f"a preset must be one of {', '.join(PRESETS)}, got {shown(name)}{meant}"
        )
    return PRESETS[name]
