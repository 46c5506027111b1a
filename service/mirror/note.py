"""The note of a mirrored study, in Markdown: where it comes from, and the verdict if any."""

from collections.abc import Iterator, Sequence

from service.db.tables import Study
from service.report.pages.sentences import verdict_sentences
from service.wire.spec.study import StudySpec
from service.wire.views.result import Finalist, StudyResult
from service.wire.words import numbers, verdict

HEADER = (
    "rank", "trial", "branch", "search score", "sealed score", "optimism", "minus best",
    "steps at test", "device seconds", "tied with best",
)  # fmt: skip


def note(study: Study, left_out: Sequence[str] = ()) -> str:
    """Return the note.

    Args:
        study: As our tables have it.
        left_out: Titles of figures that are too large for the dashboard.
    """
    lines = [
        f"# {_plain(study.name)}",
        "",
        f"Study `{study.study_id}` · [open it]({link(study)}) · "
        f"[report]({_api(study)}/report.html) · [JSON]({_api(study)}) · "
        f"spec SHA-256 `{study.spec_sha256[:12]}…`",
    ]
    if study.result and study.result["finalists"]:
        lines += ["", *_verdict(study)]
    if left_out:
        names = ", ".join(left_out)
        lines += [
            "",
            f"Too large for this page, see the [report]({_api(study)}/report.html): {names}.",
        ]
    return "\n".join(lines) + "\n"


def link(study: Study) -> str:
    """Return the address of the study on our own page."""
    return f"/#/studies/{study.study_id}"


def _api(study: Study) -> str:
    return f"/api/v1/studies/{study.study_id}"


def _verdict(study: Study) -> Iterator[str]:
    spec = StudySpec.model_validate(study.spec)
    result = StudyResult.model_validate(study.result)
    yield from [f"## Verdict ({result.metric}, 95 % intervals)", ""]
    yield from (_plain(sentence) for sentence in verdict_sentences(spec, result))
    yield from ["", f"| {' | '.join(HEADER)} |", f"|{' ---: |' * 2} --- |{' ---: |' * 6} --- |"]
    yield from (f"| {' | '.join(_row(one, result.metric))} |" for one in result.finalists)
    yield ""
    yield from (f"- {_plain(line)}" for line in _lines(study, spec, result))


def _row(one: Finalist, metric: str) -> list[str]:
    steps = "–"
    if one.steps is not None:
        own, chosen = one.steps.own, one.steps.chosen
        steps = str(own) if own == chosen else f"{chosen} (own {own})"
    distance = numbers.difference(one.to_best.value, metric) if one.to_best else ""
    optimism = numbers.difference(one.optimism, metric) if one.optimism is not None else "–"
    if one.optimism_interval is not None:
        optimism += f" {verdict.interval(one.optimism_interval, metric)}"
    if one.to_best is not None:
        distance += f" {verdict.interval(one.to_best, metric)}"
    return [
        str(one.rank),
        str(one.trial_number),
        one.branch,
        f"{numbers.score(one.search.score, metric)} "
        f"{numbers.interval(one.search.low, one.search.high, metric)}",
        _sealed(one, metric),
        optimism,
        distance or "–",
        steps,
        f"{one.device_seconds:.1f}",
        "best" if one.rank == 1 else "yes" if one.tied_with_best else "no",
    ]


def _sealed(one: Finalist, metric: str) -> str:
    if one.sealed is None:
        return "–"
    bounds = numbers.interval(one.sealed.low, one.sealed.high, metric)
    return f"{numbers.score(one.sealed.score, metric)} {bounds}"


def _lines(study: Study, spec: StudySpec, result: StudyResult) -> Iterator[str]:
    if result.comparison is not None:
        yield f"Compared with {verdict.compared(spec, result, result.comparison)}."
    for one in result.finalists:
        said = verdict.steps_at_test(one, result.metric)
        if said is not None:
            yield f"Steps at test, {said}."
    spent = f"{numbers.seconds(result.device_seconds)} of devices"
    counted = ", ".join(f"{count} {status}" for status, count in result.trials.items() if count)
    yield f"In all {counted}; {spent}, {numbers.seconds(result.wall_seconds)} on the clock."
    if study.sealed_looks:
        yield f"Fresh trainings scored on the sealed tasks: {study.sealed_looks}."


def _plain(text: str) -> str:
    return "".join(f"\\{c}" if c in r"\`*_[]<>#|!&" else c for c in text)
