"""The summary of a study for a CI page, in Markdown: gates, changes to the baseline, cost."""

from collections.abc import Iterator

from service.report.pages.markdown import escape, table
from service.report.pages.sentences import headline, warnings
from service.report.pages.summary import cost_sentence, importance_rows
from service.wire.spec.study import StudySpec
from service.wire.views.gate_report import GateAnswer, GateContender, GateReport
from service.wire.views.judged import Estimate
from service.wire.views.report import StudyReport
from service.wire.views.result import Finalist, StudyResult
from service.wire.words import numbers
from service.wire.words.branches import model_in_words
from service.wire.words.finalists import Table
from service.wire.words.gates import LIMITS, compared, outcome, reason, score_difference
from service.wire.words.judgement import judgement_sentences
from service.wire.words.meta_learning import TITLE, worth_table

MARKS = {"pass": "✅ pass", "fail": "❌ fail", "undecided": "❔ undecided"}
OUTCOMES = {"passed": "✅ gates passed", "failed": "❌ gate failed", "undecided": "❔ undecided"}


def summary_page(report: StudyReport, url: str | None) -> str:
    """The text.

    Args:
        report: Of the study, whatever its status.
        url: Of the study's page, if somebody can open it.
    """
    study, result = report.study, report.verdict
    mark = f"study {study.status}"
    if result is not None and study.status == "completed":
        mark = OUTCOMES[outcome(result.gates)] if result.gates else "✅ completed"
    blocks = [f"## {escape(study.name)}: {mark}"]
    if result is not None and result.gates is not None:
        blocks += _gates(result.gates, result.metric)
    if result is not None and result.finalists:
        blocks += ["### Best configuration", table(_configuration(report, result))]
    if worth := worth_table(result):
        blocks += [f"### {TITLE}", table(worth)]
    blocks += [escape(sentence) for sentence in _sentences(report)]
    if report.importances:
        blocks += ["### What mattered", table(importance_rows(report))]
    if report.cost is not None:
        blocks.append(cost_sentence(report))
    where = f"[study {study.study_id[:8]}]({url})" if url else f"study `{study.study_id}`"
    blocks.append(f"{where}, spec seed {study.spec.seed}, by metaopt")
    return "\n\n".join(blocks) + "\n"


def _sentences(report: StudyReport) -> list[str]:
    """Sentences of the verdict that no table says, or where the study stands."""
    result = report.verdict
    if result is None or not result.finalists:
        return headline(report).sentences
    return judgement_sentences(report.study.spec, result)[1:] + warnings(report.study)


def _gates(gates: GateReport, metric: str) -> list[str]:
    rows = [[f"`{a.rule}`", MARKS[a.answer], reason(a)] for a in gates.answers]
    lines = ["| gate | answer | why |", "| --- | --- | --- |"]
    lines += [f"| {rule} | {mark} | {escape(why)} |" for rule, mark, why in rows]
    blocks = ["\n".join(lines), escape(_begun(compared(gates)) + ".")]
    blocks += ["### Scores on the gate bank", table(_scores(gates, metric))]
    if gates.promoted is not None:
        blocks.append(f"Promoted: it is now **{escape(str(gates.promoted))}**.")
    if gates.not_promoted is not None:
        blocks.append(f"Not promoted: {escape(gates.not_promoted)}.")
    return blocks


def _begun(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _scores(gates: GateReport, metric: str) -> Table:
    """Scores of candidate and baseline on the gate bank, and their difference."""
    candidate, baseline = gates.candidate, gates.baseline
    rows = [["candidate", _score(candidate.score, metric), ""]]
    if baseline is not None and gates.baseline_name is not None:
        difference = _difference(gates.answers, candidate, baseline, metric)
        rows.append([f"baseline {gates.baseline_name}", _score(baseline.score, metric), difference])
    return Table(("", f"{metric}, two-sided 95 %", f"candidate minus this, {LIMITS}"), rows)


def _score(estimate: Estimate | None, metric: str) -> str:
    if estimate is None:
        return "no fresh training reached its end"
    return numbers.score_with_interval(estimate.value, estimate.low, estimate.high, metric)


def _difference(
    answers: list[GateAnswer], candidate: GateContender, baseline: GateContender, metric: str
) -> str:
    paired = score_difference(answers)
    if paired is not None:
        limits = numbers.interval(paired.low, paired.high, metric)
        return f"{numbers.difference(paired.value, metric)} {limits}"
    if candidate.score is None or baseline.score is None:
        return "–"
    return numbers.difference(candidate.score.value - baseline.score.value, metric)


def _trained(spec: StudySpec, best: Finalist, gates: GateReport | None) -> Iterator[list[str]]:
    """What the best and the baseline train: algorithm, and where they are of interest, branch and
    model.
    """
    baseline = gates.baseline if gates else None
    branches, algorithms = [best.branch], [best.algorithm]
    if baseline is not None:
        branches, algorithms = [*branches, baseline.branch], [*algorithms, baseline.algorithm]
    if branches != algorithms:
        yield _row("branch", branches)
    yield _row("algorithm", algorithms)
    incumbent = spec.gates.incumbent
    model = spec.model_of(spec.branch(best.branch))
    if spec.branch(best.branch).model or (incumbent and incumbent.model != model):
        models = [model, incumbent.model] if incumbent else [model]
        yield _row("model", [model_in_words(each.model_dump(mode="json")) for each in models])


def _row(name: str, values: list[str]) -> list[str]:
    return [name, *values, *[""] * (2 - len(values))]


def _configuration(report: StudyReport, result: StudyResult) -> Table:
    """The searched parameters, and all others that are not as in the baseline."""
    best = result.finalists[0]
    searched = numbers.searched_params(report.study.spec, best.branch, best.params)
    gates = result.gates
    before = gates.baseline.params if gates and gates.baseline else {}
    listed = {
        name: value
        for name, value in best.params.items()
        if name in searched or before.get(name, value) != value
    }
    rows = list(_trained(report.study.spec, best, gates))
    rows += [
        [name, numbers.param(value), numbers.param(before[name]) if name in before else "–"]
        for name, value in listed.items()
    ]
    label = str(gates.baseline_name) if gates and gates.baseline_name else "baseline"
    if not before:
        return Table(("parameter", "value"), [row[:2] for row in rows])
    return Table(("parameter", "candidate", label), rows)
