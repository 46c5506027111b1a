"""New trials, of every role."""

from service.db.roles import TrialRole
from service.db.states import TrialStatus
from service.dispatcher import trials
from service.dispatcher.groups import group_of
from tests.fakes import states


def test_a_new_trial_is_queued_at_its_beginning_in_the_group_of_its_role() -> None:
    study = states.study()
    (source,) = states.asked(study, "maml", 1)
    again = trials.new(
        study,
        TrialRole.REPLICA,
        source.configuration,
        trial_number=trials.next_number(study),
        seed=7,
        source=source.trial_number,
    )
    assert (again.trial_number, again.source_trial_number, again.seed) == (1, 0, 7)
    assert (again.status, again.meta_iteration, again.attempt) == (TrialStatus.QUEUED, 0, 0)
    assert again.params == source.params and again.trial_id != source.trial_id
    assert again.group == group_of(study, TrialRole.REPLICA, "maml", source.params, 0)


def test_the_first_trial_of_a_study_has_number_0() -> None:
    assert trials.next_number(states.study()) == 0


def test_a_trial_is_looked_at_again_with_the_weights_that_it_ended_with() -> None:
    study = states.study()
    (source,) = states.asked(study, "maml", 1)
    ended = trials.new(
        study, TrialRole.CANDIDATE, source.configuration, trial_number=1, seed=7, source=0,
        bank_tasks=40,
    )  # fmt: skip
    ended.meta_iteration, ended.status = 180, TrialStatus.COMPLETED
    ended.checkpoint, ended.checkpoint_sha256, ended.loss = "s/a.pt", "ab", 0.5
    again = trials.look_again(ended, trial_number=2, bank_tasks=80)
    assert (again.checkpoint, again.checkpoint_sha256) == ("s/a.pt", "ab")
    assert (again.meta_iteration, again.bank_tasks) == (180, 80)
    assert (again.seed, again.source_trial_number, again.group) == (7, 0, ended.group)
    assert (again.status, again.loss) == (TrialStatus.QUEUED, None)
    assert again.trial_id != ended.trial_id


def test_ids_of_trials_that_are_made_together_lie_together() -> None:
    """Rows are indexed by them, and those of a segment change together."""
    ids = [trial.trial_id for trial in states.asked(states.study(), "maml", 3)]
    assert ids == sorted(ids) and len({one[:6] for one in ids}) == 1
    assert all(len(one) == 32 and int(one, 16) >= 0 for one in ids)
    assert not {one[8:] for one in ids} & {
        t.trial_id[8:] for t in states.asked(states.study(), "maml", 3)
    }
