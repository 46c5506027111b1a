"""A study's winner in three lines: `load_winner`.

    winner = load_winner("main")                    # or a study, or what `Client.download` wrote
    adapted = winner.adapt(support_x, support_y)
    print(adapted.predict(query_x))

The only module of the client that loads torch, so nothing else of the service imports it at start.
"""

import os
import re
from pathlib import Path

from metaopt.errors import CorruptModel
from metaopt.messages import shown
from metaopt.winner import Winner, read_winner
from service.client.client import WINNER_FILE, Client
from service.client.errors import ServerRefused
from service.wire.spec.gates import parse_label

MODEL_SUFFIX = Path(WINNER_FILE).suffix


def load_winner(source: str | os.PathLike[str], client: Client | None = None) -> Winner:
    """A completed study's winner: model function, weights, and adaptation recipe.

    Args:
        source: A folder that `Client.download` wrote, or a model file; else the id of a study, or
            a baseline, `main` or `main@3`, or else what `Client.find` takes for a study.
        client: Whom to ask; by default the server that the environment names.

    Raises:
        CorruptModel: There is no model file at that path, or it is none.
        ServerUnreachable, ServerRefused: As `Client`.
    """
    if not isinstance(source, str | os.PathLike):
        rule = "a winner is named by a path, a study's id or a baseline"
        raise CorruptModel(f"{rule}, got {shown(source)}")
    path = Path(source)
    if path.is_dir():
        path = path / WINNER_FILE
    if path.is_file():
        return read_winner(path)
    if isinstance(source, os.PathLike) or os.sep in source or path.suffix == MODEL_SUFFIX:
        raise CorruptModel(f"there is no model file at {path}")
    if client is not None:
        return read_winner(_fetch(client, source))
    with Client.from_environment() as own:
        return read_winner(_fetch(own, source))


def _fetch(client: Client, name: str) -> bytes:
    if re.fullmatch("[0-9a-f]{32}", name):
        return client.weights(name)
    try:
        return client.baselines.weights(*parse_label(name))
    except ValueError:
        pass  # only a study may be called so
    except ServerRefused as error:
        if error.problem.code != "baseline-not-found" or "@" in name:
            raise
    return client.weights(_study_id(client, name))


def _study_id(client: Client, name: str) -> str:
    try:
        return client.find(name).study_id
    except ServerRefused as error:
        if error.problem.code != "study-not-found":
            raise
        raise CorruptModel(
            f"{name!r} is no file or folder, and no baseline (main, or main@3): "
            f"{error.problem.detail}"
        ) from None
