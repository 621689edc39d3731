"""Import this before anything that sends: the one broker is made when it is imported.

So its address must be known while tests are being read, before any fixture runs.
"""

import os

from base.settings import settings
from tests.conftest import _servers

_NAME = "HOPFLEET_REDIS_URL"
_before = os.environ.get(_NAME)
os.environ[_NAME] = _servers.broker
settings.cache_clear()

import workers.broker  # noqa: E402, F401 (this is what it is for)

if _before is None:
    del os.environ[_NAME]
else:
    os.environ[_NAME] = _before
settings.cache_clear()
