"""Open files: a process takes what the host allows, and no more connections than fit."""

import resource
from collections.abc import Iterator

import pytest

from base.descriptors import KEPT_FREE, connections


@pytest.fixture(autouse=True)
def limit() -> Iterator[int]:
    """The hard limit; the soft one is 1,024 as on most hosts, and put back afterwards."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1_024, before[1]))
    yield before[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_limit_is_raised_as_far_as_the_host_allows(limit: int) -> None:
    assert connections(50) == 50

    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (limit, limit)


def test_no_more_connections_than_leave_files_for_the_rest(limit: int) -> None:
    if limit == resource.RLIM_INFINITY:
        pytest.skip("this host has no limit")

    assert connections(limit * 2) == limit - KEPT_FREE
