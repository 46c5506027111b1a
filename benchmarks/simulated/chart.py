"""Regret curves as a picture: a page that plotly draws and Chromium photographs."""

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

COLOURS = ("#8a93a1", "#c3c8d0", "#4c6fe0", "#e07b1a", "#12998a", "#a855c7", "#d6457f", "#7f9a1c")
WIDTH, HEIGHT = 1100, 420
LEAST = 1e-3  # a regret below that is drawn there
MOST = 3.0  # one above is not drawn


def draw(curves: Mapping[str, Mapping[str, np.ndarray]], path: Path) -> None:
    """Write a PNG of median regrets against the share of random search's meta-iterations.

    Args:
        curves: By table and contender, (seeds, points); the last point is the whole budget.
        path: Of the picture.

    Raises:
        FileNotFoundError: there is no Chromium.
    """
    figure = make_subplots(cols=len(curves), subplot_titles=list(curves))
    names = list(dict.fromkeys(name for of_table in curves.values() for name in of_table))
    for column, of_table in enumerate(curves.values(), start=1):
        for name, regrets in of_table.items():
            medians = np.maximum(np.median(regrets, axis=0), LEAST)
            shares = np.arange(1, len(medians) + 1) / len(medians)
            drawn = medians <= MOST  # not where it is NaN or infinite
            figure.add_scatter(
                x=shares[drawn], y=medians[drawn], name=name, legendgroup=name,
                showlegend=column == 1, mode="lines", col=column, row=1,
                line={"color": COLOURS[names.index(name) % len(COLOURS)], "shape": "hv"},
            )  # fmt: skip
    figure.update_xaxes(title="share of random search's meta-iterations", tickformat=".0%")
    figure.update_yaxes(type="log", title="median regret", col=1)
    figure.update_yaxes(type="log")
    figure.update_layout(template="plotly_white", width=WIDTH, height=HEIGHT, margin_t=40)
    photograph(figure, path)


def photograph(figure: go.Figure, path: Path) -> None:
    """Write a figure as a PNG, by Chromium."""
    browser = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    if browser is None:
        raise FileNotFoundError("a picture needs chromium on the PATH; leave --picture out")
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "figure.html"
        figure.write_html(page, include_plotlyjs=True, config={"staticPlot": True})
        subprocess.run(
            [
                browser, "--headless", "--no-sandbox", "--hide-scrollbars", "--disable-gpu",
                f"--window-size={WIDTH},{HEIGHT}", f"--screenshot={path.resolve()}",
                f"--user-data-dir={folder}/profile", "--virtual-time-budget=10000", page.as_uri(),
            ],
            check=True, capture_output=True,
        )  # fmt: skip
