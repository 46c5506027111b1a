"""The command `replay`: were a study's suggestions what its samplers would give again?"""

from service.cli.connection import connect
from service.cli.console import data
from service.cli.exits import Exit, Stop
from service.cli.options import StudyId


def replay(study_id: StudyId) -> None:
    """Derive every suggestion again from the log of asks and tells; exit code 1 if one differs."""
    from service.dispatcher.search.replay import replay_branch  # Optuna takes a while to load

    with connect() as client:
        spec = client.study(study_id).spec
        logs = [(branch, client.asks(study_id, branch.algorithm)) for branch in spec.branches]
    replayed = [replay_branch(spec, branch, log) for branch, log in logs]
    for one in replayed:
        if one.difference is None:
            data(f"{one.branch}: {one.agreeing} of {one.asks} suggestions agree byte for byte")
        else:
            data(f"{one.branch}: differs after {one.agreeing} of {one.asks}: {one.difference}")
    if any(one.difference for one in replayed):
        raise Stop(Exit.GATE_FAILED)
