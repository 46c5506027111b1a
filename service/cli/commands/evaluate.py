"""The command `evaluate`: one trial of a study judged on the study's sealed tasks, afresh.

It is a small study of its own, submitted as any other: one branch fixed to the trial's parameters,
one trial, whose curve on meta-validation tasks chooses the steps at test, then R fresh trainings
with seeds that no verdict has used, on the same sealed tasks as the study's own verdict.  Each
counts as a look at them.

With something to compare with, its branch has the study's own space, which says what the defaults
are and completes a preset, and the trial's point is where the search of one trial begins.
"""

from typing import Annotated

import typer

from metaopt.plugins.described import Described
from metaopt.plugins.description import learn
from service.cli.commands.submit import refuse_without_wait, tell_submitted
from service.cli.connection import connect
from service.cli.exits import Exit, Stop
from service.cli.options import Json, StudyId, Timeout
from service.cli.outputs.results import Outputs
from service.client.client import Client
from service.planning.fidelity import first_order_until
from service.planning.plan import Plan
from service.wire.spec.budget import Budget
from service.wire.spec.pruning import Pruning
from service.wire.spec.space import Branch
from service.wire.spec.stored import StoredStudy
from service.wire.spec.study import Search, StudySpec
from service.wire.views.studies import StudyView, TrialView

LONGEST_NAME = 200


def evaluate(
    study_id: StudyId,
    trial_number: Annotated[
        int, typer.Argument(metavar="TRIAL", min=0, help="Number of the trial.")
    ],
    tasks: Annotated[
        int | None,
        typer.Option(metavar="N", help="Sealed tasks; by default as many as the study has."),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(metavar="R", help="Fresh trainings; by default as many as the study has."),
    ] = None,
    compare: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Also train this as often: default, none, a preset's name, or pretrain, scratch.",
        ),
    ] = "none",
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the verdict.")] = False,
    timeout: Timeout = None,
    json: Json = None,
) -> None:
    """Judge one trial on the study's sealed tasks, as a small study; print its id or verdict."""
    outputs = Outputs(json)
    if not wait:
        refuse_without_wait(timeout=timeout)
    outputs.check()
    with connect() as client:
        study = _known(client, client.study(study_id))
        trial = _trial(client, study.study_id, trial_number)
        document = evaluation(study, trial, tasks, seeds, compare)
        own = client.submit(document)
    tell_submitted(own, outputs, wait=wait, timeout=timeout)


def evaluation(
    study: StudyView,
    trial: TrialView,
    tasks: int | None = None,
    seeds: int | None = None,
    compare: str = "none",
) -> dict[str, object]:
    """The spec of the study that judges `trial`; the server checks it.

    `first_seed` is the number of looks so far: each look had one seed, so those are used up.
    """
    spec = Plan.of(study.spec)[trial.role].spec  # an incumbent is trained as it was promoted
    branch = spec.branch(trial.branch)
    whole = {"algorithm": branch.algorithm, "name": branch.name, "space": trial.params}
    judging = StudySpec(
        name=f"trial {trial.trial_number} of {spec.name}"[:LONGEST_NAME],
        seed=spec.seed,
        tasks=spec.tasks,
        model=spec.model_of(branch),
        branches=[Branch.model_validate(whole)],
        search=Search(sampler="random"),
        pruning=_same_training(spec, trial),
        budget=Budget(trials=1, meta_iterations=spec.budget.meta_iterations),
        evaluation=spec.evaluation,
    ).model_dump(mode="json")
    judging["verdict"] |= {
        "finalists": 1,
        "tasks": spec.verdict.tasks if tasks is None else tasks,
        "seeds": spec.verdict.seeds if seeds is None else seeds,
        "compare": compare,
        "first_seed": study.sealed_looks,
    }
    if compare != "none":
        point = {name: trial.params[name] for name in branch.distributions()}
        judging["branches"] = [branch.model_copy(update={"model": None}).model_dump(mode="json")]
        origin = f"study {study.study_id} ({study.name}), trial {trial.trial_number}"
        begin = {"branch": trial.branch, "params": point, "source": origin}
        judging["warm_start"]["trials"] = [begin]
    return judging


def _same_training(spec: StudySpec, trial: TrialView) -> Pruning:
    """A pruning that stops nothing and trains as the study's trials were trained."""
    until = first_order_until(spec, trial.params)
    if spec.evaluation.keep == "best":  # of the same rungs, on the same tasks
        rungs, tasks = spec.rungs()[:-1], spec.pruning.tasks
        return Pruning(kind="none", rungs=rungs, tasks=tasks, first_order_until=until)
    if until is None:
        return Pruning(kind="none")
    return Pruning(kind="none", rungs=[until], first_order_until=until)


def _known(client: Client, study: StudyView) -> StudyView:
    """The study, with what the server knows of its kinds.

    Raises:
        Stop: They are plug-ins, and the server has them no more.
    """
    if study.plugins:
        for one in client.plugins.there():
            if one.refused is None:
                learn(Described.from_json(one.model_dump(exclude={"described_at", "lane_by_lane"})))
        study = client.study(study.study_id)
    if isinstance(study.spec, StoredStudy):
        raise Stop(
            Exit.USAGE,
            f"study {study.study_id} is of kinds that the server has not now, so that none of its "
            "trials can be trained: `metaopt plugins` lists what it has",
        )
    return study


def _trial(client: Client, study_id: str, trial_number: int) -> TrialView:
    for trial in client.trials(study_id):
        if trial.trial_number == trial_number:
            return trial
    raise Stop(Exit.USAGE, f"the study has no trial {trial_number}")
