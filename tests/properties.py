"""How many examples a property is tried on: more at night."""

from hypothesis import settings

BY_DAY = 100
TIMES_AT_NIGHT = 20

settings.register_profile("metaopt", deadline=None, max_examples=BY_DAY)
settings.register_profile("night", deadline=None, max_examples=TIMES_AT_NIGHT * BY_DAY)


def examples(number: int) -> int:
    """Return `number` by day, and `TIMES_AT_NIGHT` as many under `--hypothesis-profile=night`."""
    return number * settings().max_examples // BY_DAY
