"""How many lanes to compute at once."""

from metaopt.options import with_defaults
from metaopt.population.kinds import Kinds, kinds_of
from metaopt.population.signature import Signature, meta_batch


def default_lane_chunk(signature: Signature, device: str, kinds: Kinds | None = None) -> int:
    """How many lanes to compute at once where that was not measured.

    On a CPU more lanes than fit its cache cost time, and some models gain from stacking only while
    they are narrow.

    Args:
        kinds: Of the signature; None looks them up.
    """
    if device != "cpu":
        return 256
    return _most_lanes(signature, kinds or kinds_of(signature)) or 8


def default_program_lanes(signature: Signature, kinds: Kinds | None = None) -> int:
    """How many lanes a compiled program for a CPU has.

    As few as keep a core busy, because unused lanes cost their arithmetic and because what an
    iteration keeps should fit the core's cache: four lanes, or fewer where they have more than 256
    tasks times inner steps that are differentiated through, or more, up to 16, where they have
    fewer than 40 tasks in all.  `benchmarks/program_lanes.py` measures it.
    """
    kinds = kinds or kinds_of(signature)
    tasks = meta_batch(signature)
    keeps_graph = kinds.algorithm.unrolled(signature.structure)
    at_once = tasks * max(1, signature.step_cap if keeps_graph else 1)
    lanes = max(min(4, 256 // at_once), min(16, 40 // tasks), 1)
    lanes = min(lanes, _most_lanes(signature, kinds) or lanes)
    return 1 << (lanes.bit_length() - 1)


def _most_lanes(signature: Signature, kinds: Kinds) -> int | None:
    return kinds.model.most_lanes(with_defaults(kinds.model.options, signature.model))
