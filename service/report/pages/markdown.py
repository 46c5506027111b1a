"""The report as Markdown that reads well on its own: sentences and tables, no pictures."""

import re
from collections.abc import Callable, Sequence

from service.report.pages.captions import CAPTIONS
from service.report.pages.hardest import hard_task_rows
from service.report.pages.sentences import headline
from service.report.pages.summary import (
    adaptation_rows,
    cost_front_rows,
    cost_rows,
    cost_sentence,
    curve_rows,
    finalist_rows,
    importance_rows,
    pareto_rows,
    stability_rows,
    timeline_rows,
)
from service.wire.characters import printable
from service.wire.views.report import StudyReport
from service.wire.words.finalists import Table
from service.wire.words.instants import instant
from service.wire.words.meta_learning import CAPTION, TITLE, worth_table
from service.wire.words.plugins import plugins

_TABLES: dict[str, tuple[str, Callable[[StudyReport], Table]]] = {
    "verdict": ("Scores with 95 % intervals, best first.", finalist_rows),
    "cost_front": ("Sealed scores against what an adaptation costs, the cheapest first.",
                   cost_front_rows),
    "hardest": ("The hardest sealed tasks and classes, first the hardest.", hard_task_rows),
    "pareto": ("Completed trials: the Pareto set first, then by score.", pareto_rows),
    "learning_curves": ("Scores by meta-iterations, the best trials first.", curve_rows),
    "adaptation": ("Mean score after so many inner steps on a new task.", adaptation_rows),
    "importances": ("Share of the variation of the trials' places that goes with each parameter: "
                    "alone, and half of what goes with a pair (a × b) beyond either alone. Chance "
                    "explains shares up to the limit in brackets.",
                    importance_rows),
    "stability": ("Trials that trained and that diverged, and the inner rate between them with "
                  "its neighbours on both sides.", stability_rows),
    "cost": ("", cost_rows),
    "timeline": ("What each slot did with its time.", timeline_rows),
}  # fmt: skip


def markdown_page(report: StudyReport) -> str:
    """The report as Markdown."""
    study = report.study
    blocks = [
        f"# {escape(study.name)}",
        f"Study `{study.study_id}` · {study.status} · {study.metric}, "
        f"{'more' if study.maximize else 'less'} is better",
        *([escape("; ".join(plugins(study.plugins)))] if study.plugins else []),
        *(escape(sentence) for sentence in headline(report).sentences),
    ]
    for part, (sentence, rows) in _TABLES.items():
        if getattr(report, part) is None:
            continue
        sentence = cost_sentence(report) if part == "cost" else sentence
        blocks += [f"## {CAPTIONS[part].title}", sentence, table(rows(report))]
        if part == "verdict" and (worth := worth_table(report.verdict)):
            blocks += [f"## {TITLE}", CAPTION, table(worth)]
    if report.absent:
        reasons = [f"- {CAPTIONS[p].title}: {escape(why)}." for p, why in report.absent.items()]
        blocks += ["## Not shown", "\n".join(reasons)]
    blocks.append(f"Made {instant(report.made_at, 'minutes')} by metaopt.")
    return "\n\n".join(blocks) + "\n"


def table(content: Table) -> str:
    """A table, its cells escaped."""
    lines: list[Sequence[str]] = [content.header, ["---"] * len(content.header)]
    lines += [[escape(cell) for cell in row] for row in content.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def escape(text: str) -> str:
    """Text that Markdown takes literally, on one line.

    What is harmless stays as it is, so that the text reads well unrendered too: an underscore
    within a word, brackets that begin no link and define none.
    """
    flat = printable(" ".join(text.split()))
    return re.sub(
        r"[\\`*<|&~]|^[#>+-](?=\s)|^\[(?=[^]]*\]:)|\](?=[(\[])|(?<!\w)_|_(?!\w)", r"\\\g<0>", flat
    )
