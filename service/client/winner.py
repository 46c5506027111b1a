"""A study's winner in three lines: `load_winner`.

    winner = load_winner("6f0c…")                   # or a folder that `Client.download` wrote
    adapted = winner.adapt(support_x, support_y)
    print(adapted.predict(query_x))

The only module of the client that loads torch, so nothing else of the service imports it at start.
"""

import os
from pathlib import Path

from metaopt.errors import CorruptModel
from metaopt.winner import Winner, read_winner
from service.client.client import WINNER_FILE, Client


def load_winner(study: str | os.PathLike[str], client: Client | None = None) -> Winner:
    """Return a completed study's winner: model function, weights, and adaptation recipe.

    Args:
        study: Id of the study, or a folder that `Client.download` wrote, or a model file.
        client: Whom to ask; by default the server that the environment names.

    Raises:
        CorruptModel: The folder or file holds no model.
        ServerUnreachable, ServerRefused: As `Client`.
    """
    path = Path(study)
    if path.is_dir():
        path = path / WINNER_FILE
    if path.is_file():
        return read_winner(path.read_bytes())
    if isinstance(study, os.PathLike) or os.sep in str(study):
        raise CorruptModel(f"there is no model file at {path}")
    if client is not None:
        return read_winner(client.weights(str(study)))
    with Client.from_environment() as own:
        return read_winner(own.weights(str(study)))
