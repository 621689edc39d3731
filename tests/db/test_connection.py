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

    connection.pool().wait()
    idle = pool_use()
    with transaction() as tx, transaction() as other:
        pids = {each.info.backend_pid for each in (tx, other)}

    assert idle is not None
    assert (idle.open, idle.most) == (1, most)
    assert len(pids) == 2
