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

Read in December 2026: jakesnell/prototypical-networks (scripts/train/few_shot/run_train.py at
3e543c8, and issue #2), oscarknagg/few-shot (experiments/proto_nets.py at 36dbf34), 63days/Meta-SGD
(main.py and meta.py), lmzintgraf/cavia (regression/default_configs.py at f919421), bertinetto/r2d2
(scripts/train/omni5_r2d2_64c.sh and conf/fewshots.yaml at 17ccd59), aravindr93/imaml_dev
(examples/README.md at 29d3fcf), AntreasAntoniou/HowToTrainYourMAMLPytorch
(experiment_config/omniglot_maml++-omniglot_1_8_0.1_64_20_0.json at 0cbec87), and learn2learn's
examples/vision/anil_fc100.py.  Where a figure's own paper was not read, `Preset.unread` says so.
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
        algorithm: Its name.
        tasks: Kind of tasks that it is for: "sinusoid" or "omniglot".
        experiment: What it was published for, how long it was trained and how it scored.
        values: Meta-hyperparameters by name.
        unread: What of it was not read at its source, and where it is from instead; "" is nothing.
    """

    name: str
    algorithm: str
    tasks: str
    experiment: str
    values: Mapping[str, Published]
    unread: str = ""

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

_PROTONET_CODE = "jakesnell/prototypical-networks, scripts/train/few_shot/run_train.py"
_KNAGG = "oscarknagg/few-shot, experiments/proto_nets.py"
_63DAYS = "63days/Meta-SGD, main.py"
_CAVIA = "lmzintgraf/cavia, regression/default_configs.py"
_R2D2 = "bertinetto/r2d2, scripts/train"
_IMAML = "aravindr93/imaml_dev, examples/README.md"
_MAMLPP = "AntreasAntoniou/HowToTrainYourMAMLPytorch, omniglot_maml++-omniglot_1_8_0.1_64_20_0.json"
_ANIL = "learnables/learn2learn, examples/vision/anil_fc100.py"

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

_PROTONET = {
    "train_ways": Published(60, f"{_PROTONET_CODE}: --data.way 60"),
    "meta_batch": Published(1, f"{_PROTONET_CODE}: an outer step after each episode"),
    "outer_optimizer": Published("adam", f"{_PROTONET_CODE}: --train.optim_method Adam"),
    "outer_lr": Published(
        1e-3, f"{_PROTONET_CODE}: --train.learning_rate 0.001, halved every 2,000 episodes there"
    ),
    "embedding": Published(64, f"{_PROTONET_CODE}: --model.z_dim 64"),
}
_PROTONET_UNREAD = (
    "the paper: its table was read in jakesnell/prototypical-networks#2, where two who ran the "
    "code report 98.4 % at 5 and 94.9 % at 20 ways, and that it trains with as many shots as it "
    "is tested with"
)

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
            "the author's gist: its values were read in a copy that names it",
        ),
        Preset(
            "paper:protonet-omniglot-5w1s",
            "protonet",
            "omniglot",
            "Omniglot 5-way 1-shot: episodes until validation has not improved for 20,000; 98.8 %",
            _PROTONET,
            _PROTONET_UNREAD,
        ),
        Preset(
            "paper:protonet-omniglot-20w1s",
            "protonet",
            "omniglot",
            "Omniglot 20-way 1-shot: episodes until validation has not improved for 20,000; 96.0 %",
            _PROTONET,
            _PROTONET_UNREAD,
        ),
        Preset(
            "code:protonet-omniglot-5w1s",
            "protonet",
            "omniglot",
            "Omniglot 5-way 1-shot: 4,000 episodes; 98.2 % (README)",
            {
                "train_ways": Published(60, f"{_KNAGG}: --k-train 60, its default"),
                "train_shots": Published(1, f"{_KNAGG}: --n-train 1, its default"),
                "meta_batch": Published(1, f"{_KNAGG}: an outer step after each episode"),
                "outer_optimizer": Published("adam", f"{_KNAGG}: Adam"),
                "outer_lr": Published(
                    1e-3, f"{_KNAGG}: lr=1e-3, halved every 2,000 episodes there"
                ),
            },
        ),
        Preset(
            "code:meta_sgd-sinusoid",
            "meta_sgd",
            "sinusoid",
            "Sinusoids, 10 shots: 60,000 meta-iterations; squared error 0.3145 after one step, "
            "MAML 0.6702 (README), both in first order",
            {
                "initial_rate": Published(
                    0.0, "63days/Meta-SGD, meta.py: drawn from U[0.005, 0.1]"
                ),
                "inner_steps": Published(1, "63days/Meta-SGD, meta.py: one step"),
                "outer_optimizer": Published("adam", "63days/Meta-SGD, meta.py: Adam"),
                "outer_lr": Published(1e-3, f"{_63DAYS}: --outer_lr 1e-3, its default"),
                "meta_batch": Published(4, f"{_63DAYS}: --batch_size 4, its default"),
            },
        ),
        Preset(
            "code:cavia-sinusoid",
            "cavia",
            "sinusoid",
            "Sinusoids, 10 shots: 50,000 meta-iterations",
            {
                "inner_lr": Published(1.0, f"{_CAVIA}: lr_inner 1.0"),
                "inner_steps": Published(1, f"{_CAVIA}: num_inner_updates 1"),
                "context": Published(5, f"{_CAVIA}: num_context_params 5"),
                "outer_lr": Published(1e-3, f"{_CAVIA}: lr_meta 0.001"),
                "meta_batch": Published(25, f"{_CAVIA}: tasks_per_metaupdate 25"),
                "order": Published("second", f"{_CAVIA}: first_order False"),
            },
            "the paper, and so its figure",
        ),
        Preset(
            "code:r2d2-omniglot-5w1s",
            "r2d2",
            "omniglot",
            "Omniglot 5-way 1-shot: up to 120,000 episodes",
            {
                "train_ways": Published(60, f"{_R2D2}/omni5_r2d2_64c.sh: --data.way 60"),
                "outer_optimizer": Published(
                    "adam", f"{_R2D2}/conf/fewshots.yaml: train.optim_method Adam"
                ),
                "outer_lr": Published(
                    5e-3,
                    f"{_R2D2}/conf/fewshots.yaml: train.learning_rate 5e-3, halved every 2,000 "
                    "episodes there",
                ),
                "meta_batch": Published(1, "bertinetto/r2d2, fewshots/engine.py: one episode"),
                "ridge": Published(
                    3e3,
                    f"{_R2D2}/conf/fewshots.yaml: init_lambda 50 on X and Y divided by the root of "
                    "60 examples; not learned there",
                ),
                "output_scale": Published(
                    10.0, f"{_R2D2}/omni5_r2d2_64c.sh: --base_learner.init_adj_scale 10"
                ),
            },
            "the paper, and so its figure",
        ),
        Preset(
            "code:imaml-omniglot-5w1s",
            "imaml",
            "omniglot",
            "Omniglot 5-way 1-shot: 20,000 meta-iterations; 99.16 ± 0.35 %",
            {
                "inner_lr": Published(0.1, f"{_IMAML}: --inner_lr 1e-1"),
                "inner_steps": Published(16, f"{_IMAML}: --n_steps 16"),
                "proximal": Published(2.0, f"{_IMAML}: --lam 2.0, with --cg_damping 1.0 there"),
                "cg_steps": Published(5, f"{_IMAML}: --cg_steps 5"),
                "outer_lr": Published(1e-3, f"{_IMAML}: --outer_lr 1e-3"),
                "meta_batch": Published(32, f"{_IMAML}: --task_mb_size 32"),
            },
            "the paper: its figure is from Betty's README; in aravindr93/imaml_dev#3 the code has "
            "98.2 %",
        ),
        Preset(
            "code:maml_plus_plus-omniglot-20w1s",
            "maml_plus_plus",
            "omniglot",
            "Omniglot 20-way 1-shot: 100 epochs of 500 meta-iterations; 96.65 ± 0.06 % in a user's "
            "run, an ensemble of the best five checkpoints",
            {
                "inner_lr": Published(
                    0.1,
                    "HowToTrainYourMAMLPytorch, task_learning_rate 0.1: the JSON's key is "
                    "read by no code",
                ),
                "inner_steps": Published(5, f"{_MAMLPP}: number_of_training_steps_per_iter 5"),
                "test_steps": Published(5, f"{_MAMLPP}: number_of_evaluation_steps_per_iter 5"),
                "losses": Published("each_step", f"{_MAMLPP}: use_multi_step_loss_optimization"),
                "losses_share": Published(
                    0.1, f"{_MAMLPP}: multi_step_loss_num_epochs 10 of total_epochs 100"
                ),
                "rates": Published(
                    "learned", f"{_MAMLPP}: learnable_per_layer_per_step_inner_loop_learning_rate"
                ),
                "norm": Published("per_step", f"{_MAMLPP}: per_step_bn_statistics"),
                "table": Published(5, f"{_MAMLPP}: number_of_training_steps_per_iter 5"),
                "order": Published("second", f"{_MAMLPP}: second_order"),
                "outer_lr": Published(1e-3, f"{_MAMLPP}: meta_learning_rate 0.001"),
                "schedule": Published("cosine", f"{_MAMLPP}: min_learning_rate 0.00001"),
                "meta_batch": Published(8, f"{_MAMLPP}: batch_size 8"),
            },
            "the paper: the figure is a user's, in AntreasAntoniou/HowToTrainYourMAMLPytorch#20",
        ),
        Preset(
            "code:learn2learn-anil-fc100-5w5s",
            "anil",
            "omniglot",
            "FC100 5-way 5-shot, which does not come with metaopt: 1,000 meta-iterations; 47.6 % "
            "(learn2learn's ANIL tutorial)",
            {
                "inner_lr": Published(0.1, f"{_ANIL}: fast_lr 0.1 on a mean loss"),
                "inner_steps": Published(5, f"{_ANIL}: adapt_steps 5"),
                "outer_lr": Published(1e-3, f"{_ANIL}: meta_lr 0.001"),
                "outer_optimizer": Published("adam", f"{_ANIL}: Adam"),
                "meta_batch": Published(32, f"{_ANIL}: meta_bsz 32"),
                "order": Published("second", f"{_ANIL}: MAML(head) with its default"),
            },
            "a recipe for Omniglot",
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
