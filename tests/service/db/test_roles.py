"""The table of roles: what follows from why a trial was made."""

from service.db.roles import ROLES, TrialRole, roles_where


def test_each_role_has_a_row() -> None:
    assert set(ROLES) == set(TrialRole)


def test_roles_are_found_by_the_values_of_their_rows() -> None:
    assert roles_where(paid_by_search=True) == {"search", "replica"}
    assert roles_where(bank="gates") == {"candidate", "incumbent"}
    assert roles_where(bank="gates", trained_as="promoted") == {"incumbent"}
    assert roles_where(bank="validation", leaves="model") == set()


def test_only_what_the_search_pays_for_is_scored_on_its_own_tasks() -> None:
    assert roles_where(paid_by_search=True) == roles_where(bank="validation")


def test_only_the_verdict_looks_at_sealed_tasks() -> None:
    assert roles_where(counts_look=True) == roles_where(bank="sealed") == {"verdict"}
