"""The pool grows with the work and holds little without it."""

from collections.abc import Iterator

import pytest

from db import connection
from db.connection import pool_use, transaction


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    connection.close_pool()
    yield
    connection.serve("")
    connection.close_pool()


@pytest.mark.parametrize(("role", "most"), [("ingest", 5), ("scheduler", 12), ("", 20)])
def test_a_process_opens_one_session_and_more_only_for_work(
    database: str, role: str, most: int
) -> None:
    connection.serve(role)

    with transaction() as tx, transaction() as other:
        during = pool_use()
        pids = {each.info.backend_pid for each in (tx, other)}
    after = pool_use()

    assert during is not None
    assert after is not None
    assert (during.open, during.idle, during.most) == (2, 0, most)
    assert len(pids) == 2
    assert (after.open, after.idle) == (2, 2)  # until they have been idle for a minute
