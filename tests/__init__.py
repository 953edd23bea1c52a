"""Tests, in the packages' order; those with real processes are under C{integration}."""

from hypothesis import settings

# How long an example takes says nothing on a machine that does other things too.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
