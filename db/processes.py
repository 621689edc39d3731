"""Processes: which of ours were seen lately, on whatever host; no broker is needed to know."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ARRAY, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from db.connection import Tx
from db.table import NOW, At, Base, Str20, Word

SEEN_SECONDS = 15  # who was not seen for so long is not counted on
SAY_SECONDS = 5.0


class Process(Base):
    """One process of ours; it says every few seconds that it is there."""

    __tablename__ = "processes"

    name: Mapped[Word] = mapped_column(primary_key=True)
    role: Mapped[Str20]
    queues: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    started_at: Mapped[At] = mapped_column(server_default=NOW)
    seen_at: Mapped[At] = mapped_column(server_default=NOW)


class ProcessRow(NamedTuple):
    """Who was seen; `queues` are those a worker works on."""

    name: str
    role: str  # worker, scheduler, ingest
    queues: list[str]
    started_at: datetime
    seen_at: datetime


def seen(tx: Tx, name: str, role: str, queues: list[str]) -> None:
    """A process says that it is there; names are never used twice."""
    tx.execute(
        "INSERT INTO processes (name, role, queues) VALUES (%s, %s, %s)"
        " ON CONFLICT (name) DO UPDATE SET seen_at = statement_timestamp()",
        (name, role, queues),
    )


def gone(tx: Tx, name: str) -> None:
    """A process says that it ends."""
    tx.execute("DELETE FROM processes WHERE name = %s", (name,))


def alive(tx: Tx, role: str | None = None) -> list[ProcessRow]:
    """Those seen in the last fifteen seconds by the database's clock, the eldest first."""
    rows = tx.execute(
        f"SELECT {', '.join(ProcessRow._fields)} FROM processes"
        " WHERE seen_at > statement_timestamp() - make_interval(secs => %s)"
        " AND (%s::text IS NULL OR role = %s) ORDER BY started_at, name",
        (SEEN_SECONDS, role, role),
    )
    return [ProcessRow(*row) for row in rows]


def prune(tx: Tx, older_than_hours: int) -> int:
    """Forget those that ended without a word; returns how many."""
    done = tx.execute(
        "DELETE FROM processes WHERE seen_at < statement_timestamp() - make_interval(hours => %s)",
        (older_than_hours,),
    )
    return done.rowcount
