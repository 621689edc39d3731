"""Purges: users and campaigns that are to go, their events first and in chunks."""

from typing import Any
from uuid import UUID

from psycopg.rows import dict_row
from sqlalchemy import CheckConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped

from db.connection import Tx
from db.table import Base, CreatedAt, Str20
from db.work import WorkRow, work_table_args


class Purge(WorkRow, Base):
    """One user or campaign on its way out; its links and keys have stopped already."""

    __tablename__ = "purges"
    __table_args__ = (
        *work_table_args("purges"),
        CheckConstraint("noun IN ('user', 'campaign')", name="noun"),
        UniqueConstraint("noun", "key"),
    )

    noun: Mapped[Str20]
    key: Mapped[UUID]
    created_at: Mapped[CreatedAt]


def mark(tx: Tx, noun: str, key: UUID | str) -> bool:
    """Have a user or campaign purged; False when that is under way already.

    What was purged once, or failed, may be marked again: a restore brings rows back.
    """
    done = tx.execute(
        "INSERT INTO purges (noun, key) VALUES (%s, %s) ON CONFLICT (noun, key) DO UPDATE"
        " SET state = 'pending', next_attempt_at = statement_timestamp(), reason = NULL"
        " WHERE purges.state IN ('done', 'dead')",
        (noun, key),
    )
    return done.rowcount == 1


def claim(tx: Tx, noun: str, key: UUID | str, lease_seconds: float) -> dict[str, Any] | None:
    """Take this one purge, all columns; None while somebody else works on it, or it is over."""
    with tx.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            "UPDATE purges SET state = 'running', attempts = attempts + 1,"
            " lease_until = clock_timestamp() + make_interval(secs => %s)"
            " WHERE noun = %s AND key = %s AND (state = 'pending'"
            "  OR (state = 'running' AND lease_until < clock_timestamp())) RETURNING *",
            (lease_seconds, noun, key),
        ).fetchone()


def state(tx: Tx, noun: str, key: UUID | str) -> str | None:
    """How far a purge is, as a work row says it; None when it was never marked."""
    row = tx.execute(
        "SELECT state FROM purges WHERE noun = %s AND key = %s", (noun, key)
    ).fetchone()
    return str(row[0]) if row else None
