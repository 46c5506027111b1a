"""Templates of pages, and what goes into them as it is; they escape all that they are handed."""

from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined, Template, select_autoescape
from markupsafe import Markup

from service.wire.characters import printable


@cache
def template(name: str) -> Template:
    """A template of this folder."""
    return _environment().get_template(name)


@cache
def asset(name: str) -> Markup:
    """A style or a script of our own."""
    text = (files("service.report.pages") / name).read_text(encoding="utf-8")
    return Markup(text)  # noqa: S704  # a file of ours


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("service.report", "pages"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        finalize=_finalized,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _finalized(value: object) -> object:
    return printable(value) if type(value) is str else value  # Markup is ours
