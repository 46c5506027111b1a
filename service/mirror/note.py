"""The note of a mirrored study, in Markdown: where it comes from, and the verdict if any."""

from collections.abc import Iterator, Sequence

from service.db.tables import Study
from service.plugins.stored import spec_of
from service.wire.characters import printable
from service.wire.views.result import StudyResult
from service.wire.words import numbers, verdict
from service.wire.words.finalists import joined
from service.wire.words.judgement import verdict_sentences

HEADINGS = {
    "rank": "rank", "trial": "trial", "branch": "branch", "search": "search score",
    "sealed": "sealed score", "optimism": "optimism", "to_best": "minus best",
    "steps_at_test": "steps at test", "device_seconds": "device seconds", "tied": "tied with best",
}  # fmt: skip
LEFT_ALIGNED = ("branch", "tied")


def note(study: Study, left_out: Sequence[str] = ()) -> str:
    """The note.

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
    """The address of the study on our own page."""
    return f"/#/studies/{study.study_id}"


def _api(study: Study) -> str:
    return f"/api/v1/studies/{study.study_id}"


def _verdict(study: Study) -> Iterator[str]:
    spec = spec_of(study)
    result = StudyResult.model_validate(study.result)
    yield from [f"## Verdict ({result.metric}, 95 % intervals)", ""]
    yield from (_plain(sentence) for sentence in verdict_sentences(spec, result))
    table = joined(spec, result, HEADINGS, absent="–")
    rules = ["---" if name in LEFT_ALIGNED else "---:" for name in HEADINGS]
    yield ""
    yield from (f"| {' | '.join(row)} |" for row in (table.header, rules, *table.rows))
    yield ""
    yield from (f"- {_plain(line)}" for line in _lines(study, result))


def _lines(study: Study, result: StudyResult) -> Iterator[str]:
    for finalist in result.finalists:
        advice = verdict.steps_at_test(finalist, result.metric)
        if advice is not None:
            yield f"Steps at test, {advice}."
    spent = f"{numbers.seconds(result.device_seconds)} of devices"
    took = f"{numbers.seconds(result.wall_seconds)} on the clock"
    yield f"In all {numbers.counts(result.trials)}; {spent}, {took}."
    if study.sealed_looks:
        yield f"Fresh trainings scored on the sealed tasks: {study.sealed_looks}."


def _plain(text: str) -> str:
    return "".join(f"\\{c}" if c in r"\`*_[]<>#|!&" else c for c in printable(text, keep=""))
