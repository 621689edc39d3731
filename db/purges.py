"""Purges: users and campaigns that are to go, their events first and in chunks."""

from uuid import UUID

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
