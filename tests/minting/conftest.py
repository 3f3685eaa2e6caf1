"""Drawn examples are not timed: another test may have the processor."""

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
