"""Workflows that listen, the facts that reach them, and the runs that follow."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from db.connection import Tx
from tests import make
from tests.make import Made
from workers.workflows import gathering, matching


def listener(tx: Tx, user_id: UUID, event: str, **config: Any) -> Made:
    """An active workflow that listens, as the scheduler leaves it when it has looked."""
    row = make.workflow(
        tx, user_id, status="active", trigger_type="event",
        trigger_config=Jsonb({"event": event} | config),
    )  # fmt: skip
    tx.execute(
        "UPDATE workflow_states SET listens = %s, checked = true WHERE workflow_id = %s",
        (event, row["id"]),
    )
    return row


def fact(tx: Tx, user_id: UUID | None, kind: str, **columns: Any) -> Made:
    """Something that happened; `data` is what conditions see beyond its type."""
    data = {"type": kind} | columns.pop("data", {})
    return make.insert(
        tx, "workflow_events", {"user_id": user_id, "kind": kind, "data": data} | columns
    )


def matched() -> None:
    """Match all that waits."""
    while matching.step():
        pass


def in_threads(count: int) -> None:
    """Match all that waits, by several workers at once."""
    start = Barrier(count)

    def work() -> None:
        start.wait()
        matched()

    with ThreadPoolExecutor(count) as threads:
        for done in [threads.submit(work) for _ in range(count)]:
            done.result()


def fired() -> None:
    """Fire all that is due."""
    while gathering.step():
        pass


def facts(tx: Tx) -> list[Made]:
    """All facts there are, the oldest first."""
    with tx.cursor(row_factory=dict_row) as cursor:
        return cursor.execute("SELECT * FROM workflow_events ORDER BY id").fetchall()


def runs(tx: Tx) -> list[Made]:
    """All runs, the oldest first."""
    with tx.cursor(row_factory=dict_row) as cursor:
        return cursor.execute("SELECT * FROM workflow_runs ORDER BY id").fetchall()
