"""What is to be said of one of Optuna's studies, gathered, then written in one transaction.

Optuna Dashboard's functions cut a note or a figure into pieces of 2045 characters and hand each to
the storage, which takes a transaction for it: dozens for a study.  Here they are given a storage
that keeps the pieces until `write`.
"""

from typing import Any

from optuna.storages import BaseStorage, RDBStorage
from optuna.study import Study as OptunaStudy
from optuna.study import StudyDirection
from optuna_dashboard import get_note, save_note  # type: ignore[import-untyped]
from sqlalchemy.orm import Session

from service.db.optuna.studies import set_study_attributes


class Gathered:
    """Attributes of a study that are not written yet.

    Args:
        storage: Has what is there.
        optuna_id, name: Of the study.
    """

    def __init__(self, storage: RDBStorage, optuna_id: int, name: str) -> None:
        self._optuna_id = optuna_id
        self._system = _Pieces(storage, optuna_id)
        self._user: dict[str, Any] = {}
        # It asks its storage for the four calls of `_Pieces`, and for no more here.
        self.study = OptunaStudy(name, storage=self._system)  # type: ignore[arg-type]

    def note(self, body: str) -> None:
        """Have a note, if it is another than the one that is there."""
        if get_note(self.study) != body:
            save_note(self.study, body)

    def user(self, attributes: dict[str, Any]) -> None:
        """Have user attributes."""
        self._user |= attributes

    def system(self, attributes: dict[str, Any]) -> None:
        """Have system attributes."""
        self._system.news |= attributes

    def __bool__(self) -> bool:
        """Whether there is anything to write."""
        return bool(self._user or self._system.news)

    def write(self, session: Session) -> None:
        """Write them; the caller commits."""
        user, system = self._user, self._system.news
        set_study_attributes(session, self._optuna_id, user=user, system=system)


class _Pieces:
    """The part of a storage that is asked for notes and figures; it keeps what it is given."""

    def __init__(self, storage: BaseStorage, optuna_id: int) -> None:
        self._storage, self._optuna_id = storage, optuna_id
        self._there: dict[str, Any] | None = None
        self.news: dict[str, Any] = {}

    def get_study_id_from_name(self, _name: str) -> int:
        return self._optuna_id

    def get_study_directions(self, _study_id: int) -> list[StudyDirection]:
        return []

    def get_study_system_attrs(self, _study_id: int) -> dict[str, Any]:
        if self._there is None:
            self._there = self._storage.get_study_system_attrs(self._optuna_id)
        return self._there | self.news

    def set_study_system_attr(self, _study_id: int, key: str, value: Any) -> None:
        self.news[key] = value
