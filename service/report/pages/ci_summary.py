"""The summary of a study for a CI page, in Markdown: what passed, what changed, what it cost."""

from service.report.pages.markdown import escape, table
from service.report.pages.sentences import headline
from service.report.pages.summary import Table, cost_sentence, importance_rows
from service.wire.views.gate_report import GateAnswer, GateContender
from service.wire.views.judged import Estimate
from service.wire.views.report import StudyReport
from service.wire.views.result import StudyResult
from service.wire.words import numbers, verdict
from service.wire.words.gates import compared, gate_sentences, more, outcome

MARKS = {"pass": "✅ pass", "fail": "❌ fail", "undecided": "❔ undecided"}
OUTCOMES = {"passed": "✅ gates passed", "failed": "❌ gate failed", "undecided": "❔ undecided"}


def summary_page(report: StudyReport, url: str | None) -> str:
    """Return the text.

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
        blocks += _gates(report, result)
    if result is not None and result.finalists:
        blocks += ["### Best configuration", table(_configuration(report, result))]
    blocks += [escape(sentence) for sentence in _sentences(report)]
    if report.importances:
        blocks += ["### What mattered", table(importance_rows(report))]
    if report.cost is not None:
        blocks.append(cost_sentence(report))
    where = f"[study {study.study_id[:8]}]({url})" if url else f"study `{study.study_id}`"
    blocks.append(f"{where}, spec seed {study.spec.seed}, by metaopt")
    return "\n\n".join(blocks) + "\n"


def _sentences(report: StudyReport) -> list[str]:
    """Return the verdict's sentences but for what is in the tables, or where the study stands."""
    sentences, result = headline(report).sentences, report.verdict
    if result is None or not result.finalists:
        return sentences
    of_gates = list(gate_sentences(result.gates)) if result.gates else []
    return [one for one in sentences[1:] if one not in of_gates]


def _gates(report: StudyReport, result: StudyResult) -> list[str]:
    gates = result.gates
    assert gates is not None
    rows = [[f"`{one.rule}`", MARKS[one.answer], f"{one.why}{more(one)}"] for one in gates.answers]
    lines = ["| gate | answer | why |", "| --- | --- | --- |"]
    lines += [f"| {a} | {b} | {escape(c)} |" for a, b, c in rows]
    blocks = ["\n".join(lines), escape(_begun(compared(gates)) + "."), "### Scores"]
    blocks.append(table(_scores(report, result)))
    if gates.promoted is not None:
        blocks.append(f"Promoted: it is now **{escape(str(gates.promoted))}**.")
    if gates.not_promoted is not None:
        blocks.append(f"Not promoted: {escape(gates.not_promoted)}.")
    return blocks


def _begun(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _scores(report: StudyReport, result: StudyResult) -> Table:
    """Return candidate, baseline and defaults with their scores, and differences to them."""
    gates, metric = result.gates, result.metric
    assert gates is not None
    rows = [["candidate", _score(gates.candidate.score, metric), "", "gate bank"]]
    if gates.baseline is not None and gates.baseline_name is not None:
        rows.append(
            [
                f"baseline {gates.baseline_name}",
                _score(gates.baseline.score, metric),
                _difference(gates.answers, gates.candidate, gates.baseline, metric),
                "gate bank",
            ]
        )
    compared_with = result.comparison
    if compared_with is not None and compared_with.sealed is not None:
        told = compared_with.difference
        sealed = compared_with.sealed
        bounds = numbers.interval(sealed.low, sealed.high, metric)
        difference = numbers.difference(told.value, metric) if told else "–"
        rows.append(
            [
                verdict.reference_name(compared_with),
                f"{numbers.score(sealed.score, metric)} {bounds}",
                f"{difference} {verdict.interval(told, metric)}",
                "sealed tasks",
            ]
        )
    return Table(("", f"{metric}, 95 %", "candidate minus this, limits", "judged on"), rows)


def _score(estimate: Estimate | None, metric: str) -> str:
    if estimate is None:
        return "no fresh training reached its end"
    bounds = numbers.interval(estimate.low, estimate.high, metric)
    return f"{numbers.score(estimate.value, metric)} {bounds}"


def _difference(
    answers: list[GateAnswer], candidate: GateContender, baseline: GateContender, metric: str
) -> str:
    for one in answers:
        if one.rule.startswith(("no-worse", "better")) and one.estimate is not None:
            limits = numbers.interval(one.estimate.low, one.estimate.high, metric)
            return f"{numbers.difference(one.estimate.value, metric)} {limits}"
    if candidate.score is None or baseline.score is None:
        return "–"
    return numbers.difference(candidate.score.value - baseline.score.value, metric)


def _configuration(report: StudyReport, result: StudyResult) -> Table:
    """Return what was searched, and what else is not as in the baseline."""
    best = result.finalists[0]
    searched = numbers.searched_params(report.study.spec, best.branch, best.params)
    gates = result.gates
    before = gates.baseline.params if gates and gates.baseline else {}
    told = {
        name: value
        for name, value in best.params.items()
        if name in searched or before.get(name, value) != value
    }
    rows = [["algorithm", best.branch, gates.baseline.branch if gates and gates.baseline else ""]]
    rows += [
        [name, numbers.params({name: value}).partition("=")[2], _shown(before, name)]
        for name, value in told.items()
    ]
    label = str(gates.baseline_name) if gates and gates.baseline_name else "baseline"
    if not before:
        return Table(("parameter", "value"), [row[:2] for row in rows])
    return Table(("parameter", "candidate", label), rows)


def _shown(values: dict[str, float | int | str], name: str) -> str:
    return numbers.params({name: values[name]}).partition("=")[2] if name in values else "–"
