"""Controls: what operators have said of a queue; a queue nobody spoke of runs as it is set up."""

from datetime import datetime
from typing import Any, NamedTuple

from psycopg.types.json import Jsonb
from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.connection import Tx
from db.table import NOW, At, Base, Json, Str20, Word

RUNNING, DRAINING, PAUSED = "running", "draining", "paused"
MOST_THREADS = 64


class QueueControl(Base):
    """One queue's state and width; `marks` say how far a queue that drains has to get."""

    __tablename__ = "queue_controls"
    __table_args__ = (
        CheckConstraint("state IN ('running', 'draining', 'paused')", name="state"),
        CheckConstraint("threads BETWEEN 1 AND 64", name="threads"),
    )

    queue: Mapped[Str20] = mapped_column(primary_key=True)
    state: Mapped[Word] = mapped_column(server_default=RUNNING)
    since: Mapped[At] = mapped_column(server_default=NOW)
    marks: Mapped[Json | None]
    threads: Mapped[int | None]


class Control(NamedTuple):
    """How a queue is to be worked on; `threads` None leaves it to the processes."""

    state: str = RUNNING
    since: datetime | None = None  # since when it is in that state
    marks: dict[str, Any] | None = None
    threads: int | None = None


def read(tx: Tx) -> dict[str, Control]:
    """What was said of each queue; those nobody spoke of are missing."""
    rows = tx.execute("SELECT queue, state, since, marks, threads FROM queue_controls")
    return {row[0]: Control(*row[1:]) for row in rows}


def set_state(tx: Tx, queue: str, state: str, marks: dict[str, Any] | None = None) -> bool:
    """Say how a queue is to be; False when it is so already, which keeps its `since`.

    A queue that drains may be told to drain anew: its marks are then the new ones.
    """
    done = tx.execute(
        "INSERT INTO queue_controls AS known (queue, state, marks) VALUES (%s, %s, %s)"
        " ON CONFLICT (queue) DO UPDATE"
        " SET state = EXCLUDED.state, marks = EXCLUDED.marks, since = statement_timestamp()"
        " WHERE known.state <> EXCLUDED.state OR EXCLUDED.marks IS NOT NULL",
        (queue, state, None if marks is None else Jsonb(marks)),
    )
    return done.rowcount == 1


def drained(tx: Tx, queue: str, marks: dict[str, Any]) -> bool:
    """A queue that has reached these marks is paused; False when it was told otherwise since."""
    done = tx.execute(
        "UPDATE queue_controls SET state = 'paused', marks = NULL, since = statement_timestamp()"
        " WHERE queue = %s AND state = 'draining' AND marks = %s",
        (queue, Jsonb(marks)),
    )
    return done.rowcount == 1


def set_threads(tx: Tx, queue: str, threads: int | None) -> None:
    """How many runs of each of the queue's actors a process may have at once; None: its own."""
    tx.execute(
        "INSERT INTO queue_controls (queue, threads) VALUES (%s, %s)"
        " ON CONFLICT (queue) DO UPDATE SET threads = EXCLUDED.threads",
        (queue, threads),
    )
