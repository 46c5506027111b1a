"""Tasks of a bank as one PNG: images by class, or the points of a function of one number."""

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from metaopt.evaluation.bank import BankTask, ShownExamples
from service.cli.pages.tasks import class_title, title

SCALE = 3
GAP = 8
TEXT = 13
PLOT = (480, 300)
DOT = 4


class NoPicture(Exception):
    """The examples are neither images nor points of a plane."""


def png(tasks: Sequence[BankTask], bank: str) -> bytes:
    """The bytes of a picture with all of them, one below the other.

    Raises:
        NoPicture: They cannot be drawn.
    """
    panels = [_panel(task, bank) for task in tasks]
    file = io.BytesIO()
    _stacked(panels).save(file, "png")
    return file.getvalue()


def _panel(task: BankTask, bank: str) -> Image.Image:
    heading = _text(title(task, bank))
    if task.support.images is not None:
        labels = range(int(task.support.y.max(initial=-1)) + 1)
        return _stacked([heading, *(_class_row(task, label) for label in labels)])
    if not _in_a_plane(task.support):
        raise NoPicture(f"task {task.number} has no picture, its examples are no images or points")
    return _stacked([heading, _plot(task)])


def _class_row(task: BankTask, label: int) -> Image.Image:
    """What a class is, and below it its support images, a bar, and its query images."""
    support, query = (_images(examples, label) for examples in (task.support, task.query))
    bar = Image.new("L", (2, support[0].height if support else 1), 128)
    return _stacked([_text(class_title(task, label)), _beside([*support, bar, *query])])


def _images(examples: ShownExamples, label: int) -> list[Image.Image]:
    assert examples.images is not None
    ink = np.asarray(examples.images)[examples.y == label].clip(0, 1)
    greys = (255 * (1 - ink)).round().astype(np.uint8)
    return [Image.fromarray(grey.repeat(SCALE, 0).repeat(SCALE, 1)) for grey in greys]


def _in_a_plane(examples: ShownExamples) -> bool:
    return examples.x.shape[1:] == (1,) and examples.y.shape[1:] == (1,)


def _plot(task: BankTask) -> Image.Image:
    """Support examples as discs, query examples as rings; the ends of both axes are named."""
    support, query = (np.hstack([e.x, e.y]).astype(float) for e in (task.support, task.query))
    both = np.vstack([support, query])
    low, high = both.min(0), both.max(0)
    canvas = Image.new("L", PLOT, 255)
    pen = ImageDraw.Draw(canvas)
    left, top, right, bottom = 4 * TEXT, GAP, PLOT[0] - GAP, PLOT[1] - 3 * TEXT
    pen.rectangle((left - GAP, top - GAP // 2, right + GAP // 2, bottom + GAP), outline=160)

    def places(points: NDArray[np.float64]) -> list[list[float]]:
        share = (points - low) / np.where(high > low, high - low, 1)
        corner, extent = np.array([left, bottom]), np.array([right - left, top - bottom])
        placed: list[list[float]] = (corner + share * extent).tolist()
        return placed

    for x, y in places(query):
        pen.ellipse((x - DOT, y - DOT, x + DOT, y + DOT), outline=0)
    for x, y in places(support):
        pen.ellipse((x - DOT, y - DOT, x + DOT, y + DOT), fill=0)
    font = ImageFont.load_default(TEXT)
    for y, value, anchor in ((top, high[1], "rt"), (bottom, low[1], "rb")):
        pen.text((left - GAP - 2, y), f"{value:.3g}", 0, font, anchor)
    for x, value, anchor in ((left, low[0], "lt"), (right, high[0], "rt")):
        pen.text((x, bottom + GAP + 3), f"{value:.3g}", 0, font, anchor)
    legend = "y over x; discs: support, rings: query"
    pen.text(((left + right) / 2, bottom + GAP + 3), legend, 0, font, "mt")
    return canvas


def _text(line: str) -> Image.Image:
    font = ImageFont.load_default(TEXT)
    width = int(font.getlength(line)) + 1
    image = Image.new("L", (width, TEXT + 4), 255)
    ImageDraw.Draw(image).text((0, 0), line, 0, font)
    return image


def _beside(images: Sequence[Image.Image]) -> Image.Image:
    width = sum(image.width for image in images) + GAP * (len(images) - 1)
    row = Image.new("L", (width, max(image.height for image in images)), 255)
    x = 0
    for image in images:
        row.paste(image, (x, 0))
        x += image.width + GAP
    return row


def _stacked(images: Sequence[Image.Image]) -> Image.Image:
    """One below the other, with a margin all round."""
    width = max(image.width for image in images) + 2 * GAP
    sheet = Image.new("L", (width, sum(image.height + GAP for image in images) + GAP), 255)
    y = GAP
    for image in images:
        sheet.paste(image, (GAP, y))
        y += image.height + GAP
    return sheet
