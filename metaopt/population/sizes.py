"""How many lanes to compute at once."""

from metaopt.population.signature import Signature


def default_lane_chunk(signature: Signature, device: str) -> int:
    """Return how many lanes to compute at once where that was not measured.

    On a CPU more lanes than fit its cache cost time.  Convolutions gain from stacking only while
    they are narrow, so wide ones run one by one.
    """
    if device != "cpu":
        return 256
    if signature.model["kind"] == "conv4":
        return max(1, 32 // int(signature.model.get("filters", 64)))
    return 8


def default_program_lanes(signature: Signature) -> int:
    """Return how many lanes a compiled program for a CPU has.

    As few as keep a core busy, because unused lanes cost their arithmetic and because what an
    iteration keeps should fit the core's cache: four lanes, or fewer where they have more than 256
    tasks times inner steps that are differentiated through, or more, up to 16, where they have
    fewer than 40 tasks in all.  `benchmarks/program_lanes.py` measures it.
    """
    tasks = int(signature.structure["meta_batch"])
    keeps_graph = signature.structure.get("order") == "second"
    at_once = tasks * (signature.step_cap if keeps_graph else 1)
    lanes = max(min(4, 256 // at_once), min(16, 40 // tasks), 1)
    if signature.model["kind"] == "conv4":
        lanes = min(lanes, default_lane_chunk(signature, "cpu"))
    return 1 << (lanes.bit_length() - 1)
