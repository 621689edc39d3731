"""A real fleet with a tenant to attack; whatever a test does, neighbours and processes live."""

from collections.abc import Iterator

import pytest

from tests import broker_first  # noqa: F401 (before the doors, which send nudges)
from tests.fleet.conftest import (  # noqa: F401 (fixtures and a hook, found by their names)
    _holder,
    fleet,
    pytest_runtest_makereport,
)
from tests.fleet.fleet import Fleet
from tests.hostile.siege import Siege


@pytest.fixture
def siege(fleet: Fleet) -> Iterator[Siege]:  # noqa: F811
    """A tenant of the fleet; at the end all that was acked is stored and nobody has died."""
    under = Siege(fleet)
    yield under
    under.lift()
