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
    replays = [replay_branch(spec, branch, log) for branch, log in logs]
    for outcome in replays:
        name, count = outcome.branch, f"{outcome.agreeing} of {outcome.asks}"
        if outcome.difference is None:
            data(f"{name}: {count} suggestions agree byte for byte")
        else:
            data(f"{name}: differs after {count}: {outcome.difference}")
    if any(outcome.difference for outcome in replays):
        raise Stop(Exit.GATE_FAILED)
