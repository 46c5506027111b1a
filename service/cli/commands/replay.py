"""The command `replay`: were a study's suggestions what its samplers would give again?"""

from dataclasses import asdict
from typing import TYPE_CHECKING

from service.cli.connection import connect
from service.cli.console import data
from service.cli.exits import Exit, Stop
from service.cli.options import Json, StudyId
from service.cli.outputs.answers import answer

if TYPE_CHECKING:
    from service.dispatcher.search.replay import Replayed


def replay(study_id: StudyId, json: Json = None) -> None:
    """Derive every suggestion again from the log of asks and tells; exit code 1 if one differs."""
    from service.dispatcher.search.replay import replay_branch  # Optuna takes a while to load

    with connect() as client:
        study = client.study(study_id)
        spec = study.spec
        logs = [(branch, client.asks(study.study_id, branch.name)) for branch in spec.branches]
    replays = [replay_branch(spec, branch, log) for branch, log in logs]
    answer(json, list(map(asdict, replays)), lambda: data("\n".join(map(_line, replays))))
    if any(outcome.difference for outcome in replays):
        raise Stop(Exit.GATE_FAILED)


def _line(outcome: "Replayed") -> str:
    count = f"{outcome.agreeing} of {outcome.asks}"
    if outcome.difference is None:
        return f"{outcome.branch}: {count} suggestions agree byte for byte"
    return f"{outcome.branch}: differs after {count}: {outcome.difference}"
