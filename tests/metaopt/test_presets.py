"""Presets: each is a recipe that its algorithm can run, with a source for each number."""

import pytest

from metaopt.algorithms.registry import parameters
from metaopt.errors import InvalidMetaParameter
from metaopt.presets import PRESETS, Preset, find_preset


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.name)
def test_a_preset_is_complete_and_names_its_sources(preset: Preset) -> None:
    params = preset.params()
    assert set(params) == set(parameters(preset.algorithm))
    for name, published in preset.values.items():
        assert params[name] == published.value
        assert len(published.source) > 10
    assert preset.experiment
    kind, _, rest = preset.name.partition(":")
    assert kind in ("paper", "code") and preset.algorithm in rest


def test_rates_of_summed_losses_are_those_of_mean_losses() -> None:
    assert find_preset("paper:maml-omniglot-5w1s").params()["inner_lr"] == pytest.approx(5 * 0.4)
    assert find_preset("paper:maml-omniglot-20w1s").params()["inner_lr"] == pytest.approx(20 * 0.1)


def test_an_unknown_preset_is_refused_with_those_that_are_there() -> None:
    with pytest.raises(InvalidMetaParameter, match="paper:maml-sinusoid.*got 'paper:x'"):
        find_preset("paper:x")
