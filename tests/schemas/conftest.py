"""Property tests here may take their time: pattern sets are built at the first call."""

from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
