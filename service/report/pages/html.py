"""The report as one page: figures, tables, styles and plotly.js in it, nothing loaded from outside.

Whatever a user wrote (names, causes) is escaped; figures travel as JSON in which no `<` is left.
"""

import html
import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from importlib.resources import files

from service.report.figures.all import figures
from service.report.figures.base import Figure
from service.report.pages.captions import CAPTIONS
from service.report.pages.sentences import headline
from service.report.pages.summary import cost_rows, finalist_rows, pareto_rows
from service.wire.views.report import StudyReport
from service.wire.words import numbers


def html_page(report: StudyReport) -> str:
    """Return the page; it opens from disk and asks the network for nothing."""
    drawn = figures(report)
    study = report.study
    sections = [_answer(report), *_cards(report, drawn), *_not_shown(report), _spec(report)]
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{_text(study.name)} · metaopt report</title>",
            '<link rel="icon" href="data:,">',
            f"<style>{_asset('page.css')}</style>",
            "</head>",
            "<body>",
            _header(report),
            f"<main>{''.join(sections)}</main>",
            _footer(report),
            f'<script type="application/json" id="figures">{_json(drawn)}</script>',
            f"<script>{_plotly()}</script>",
            f"<script>{_asset('page.js')}</script>",
            "</body>",
            "</html>",
            "",
        ]
    )


def instant(value: datetime) -> str:
    """Return an instant in UTC, to the minute."""
    return f"{value:%Y-%m-%d %H:%M} UTC"


@cache
def _plotly() -> str:
    from plotly.offline import get_plotlyjs  # type: ignore[import-untyped]

    return str(get_plotlyjs())


@cache
def _asset(name: str) -> str:
    return (files("service.report.pages") / name).read_text(encoding="utf-8")


def _text(value: str) -> str:
    return html.escape(value)


def _json(drawn: Sequence[Figure]) -> str:
    document = [{"data": figure.data, "layout": figure.layout} for figure in drawn]
    text = json.dumps(document, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _header(report: StudyReport) -> str:
    study = report.study
    counted = ", ".join(f"{count} {status}" for status, count in study.trials.items() if count)
    facts = [
        f"{study.metric}, {'more' if study.maximize else 'less'} is better",
        f"{sum(study.trials.values())} trials: {counted}" if counted else "no trials yet",
        f"submitted {instant(study.created_at)}",
        f"study {study.study_id[:8]}",
    ]
    if report.cost is not None:
        facts.insert(2, f"{numbers.seconds(report.cost.device_seconds)} of devices")
    listed = "".join(f"<span>{_text(fact)}</span>" for fact in facts)
    return (
        f'<header><p class="kind">metaopt report</p><h1>{_text(study.name)} '
        f'<span class="pill {study.status}">{study.status}</span></h1>'
        f'<p class="facts">{listed}</p></header>'
    )


def _answer(report: StudyReport) -> str:
    told = headline(report)
    first, *others = told.sentences
    big = f'<p class="big">{_text(told.score)}</p>' if told.score else ""
    figure = f'<div>{big}<p class="label">{_text(told.label)}</p></div>' if big else ""
    rest = "".join(f"<p>{_text(sentence)}</p>" for sentence in others)
    return (
        f'<section class="card answer" id="answer">{figure}'
        f'<div><p class="first">{_text(first)}</p>{rest}</div></section>'
    )


def _cards(report: StudyReport, drawn: Sequence[Figure]) -> list[str]:
    parts = list(dict.fromkeys(figure.part for figure in drawn))
    wide = _wide_parts(parts, drawn)
    return [_card(report, part, drawn, wide=part in wide) for part in parts]


def _wide_parts(parts: Sequence[str], drawn: Sequence[Figure]) -> set[str]:
    wide = set()
    half = None  # a narrow card that has no neighbour yet
    for part in parts:
        own = [figure for figure in drawn if figure.part == part]
        if len(own) > 1 or own[0].wide:
            wide |= {part, half or part}
            half = None
        else:
            half = part if half is None else None
    return wide | ({half} if half else set())


def _card(report: StudyReport, part: str, drawn: Sequence[Figure], *, wide: bool) -> str:
    caption = CAPTIONS[part]
    own = [(number, figure) for number, figure in enumerate(drawn) if figure.part == part]
    plots = "".join(_plot(number, figure) for number, figure in own)
    tables = {"verdict": _finalists, "pareto": _pareto, "cost": _cost}
    table = tables[part](report) if part in tables else ""
    return (
        f'<section class="card{" wide" if wide else ""}" id="{part}">'
        f"<h2>{_text(caption.title)}</h2>"
        f'<p class="caption">{_text(caption.sentence)}</p>'
        f'<div class="plots">{plots}</div>{table}</section>'
    )


def _plot(number: int, figure: Figure) -> str:
    heading = f"<h3>{_text(figure.heading)}</h3>" if figure.heading else ""
    height = figure.layout["height"]
    return (
        f'<div class="plot">{heading}'
        f'<div class="figure" id="figure-{number}" style="height:{height}px"></div></div>'
    )


def _finalists(report: StudyReport) -> str:
    return _table(*finalist_rows(report))


def _pareto(report: StudyReport) -> str:
    return _table(*pareto_rows(report))


def _cost(report: StudyReport) -> str:
    return _table(*cost_rows(report))


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{_text(name)}</th>" for name in header)
    body = "".join(f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'


def _not_shown(report: StudyReport) -> list[str]:
    if not report.absent:
        return []
    rows = "".join(
        f"<li><b>{_text(CAPTIONS[part].title)}</b>: {_text(reason)}.</li>"
        for part, reason in report.absent.items()
    )
    return [f'<section class="card wide" id="absent"><h2>Not shown</h2><ul>{rows}</ul></section>']


def _spec(report: StudyReport) -> str:
    text = json.dumps(report.study.spec.model_dump(mode="json"), indent=2, ensure_ascii=False)
    return (
        '<section class="card wide"><details><summary>The spec, every default written out'
        f"</summary><pre>{_text(text)}</pre></details></section>"
    )


def _footer(report: StudyReport) -> str:
    return (
        f"<footer>Study {report.study.study_id} · made {instant(report.made_at)} by metaopt"
        "<noscript> · the figures need JavaScript</noscript></footer>"
    )
