"""ProtoNet on Omniglot: what a short run on a CPU reaches.

The only figure of an accuracy by a number of episodes that was found as text is that of
oscarknagg/few-shot: 98.2 % at 5 ways and 1 shot (README) after 40 epochs of 100 episodes
(experiments/proto_nets.py: 60 ways, 1 shot, 5 query drawings, no rotations, Adam 1e-3 halved every
20 epochs, 64 filters).  The paper has 98.8 % after training until validation no longer improves;
its table was read in jakesnell/prototypical-networks#2, where two people who ran the authors' code
got 98.4 %.
"""

from collections.abc import Iterator
from dataclasses import replace

from benchmarks.anchors.figure import Anchor, Asked, Figure
from benchmarks.experiments import EXPERIMENTS
from benchmarks.recipe import Recipe, trained, words

PRESET = "code:protonet-omniglot-5w1s"
EPISODES = 2_000
AT = (500, 1_000)
PUBLISHED, AFTER, TOLERANCE = 0.982, 4_000, 0.02


def recipe(episodes: int) -> Recipe:
    """That run in half of its episodes, with a cosine in place of one halving, and norms that take
    their statistics from a test task.
    """
    whole = EXPERIMENTS[PRESET].recipe(PRESET, small=False)
    return replace(
        whole,
        params={**whole.params, "schedule": "cosine"},
        meta_iterations=episodes,
        bank=replace(whole.bank, transductive=True),
    )


def measure(asked: Asked) -> Iterator[Figure]:
    """The accuracy on the way, and at the end."""
    length = asked.length(EPISODES)
    for judged in trained(recipe(length), asked.machine, [n for n in AT if n < length]):
        accuracy, last = judged.mean, judged.meta_iterations == length
        yield Figure(
            f"accuracy after {judged.meta_iterations:,} episodes",
            f"{PUBLISHED:.1%} after {AFTER:,} episodes (oscarknagg/few-shot); 98.8 % after full "
            "training (the paper, by jakesnell/prototypical-networks#2)" if last else "",
            f"{words(accuracy)}, {1e3 * judged.seconds:.0f} ms an episode",
            f"at least {PUBLISHED:.1%} − {100 * TOLERANCE:g} points" if last else "",
            accuracy.value >= PUBLISHED - TOLERANCE if last else None,
        )  # fmt: skip


ANCHOR = Anchor(
    "protonet",
    "ProtoNet: Omniglot 5-way 1-shot, no rotations, trained with 60 ways and 1 shot, conv4 "
    "of 64 filters with max pooling, Adam 1e-3 to 0 by a cosine; 600 test tasks, transductive",
    measure,
    seeds=1,
)
