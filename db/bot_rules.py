"""Bot rules: whom operators and users call a bot, and whom they call a person."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from psycopg.rows import class_row
from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from db.connection import Tx
from db.table import Base, CreatedAt, Serial, Word


class BotRule(Base):
    """One rule, never changed; without `user_id` it holds for everybody."""

    __tablename__ = "bot_rules"
    __table_args__ = (
        CheckConstraint("kind IN ('agent', 'pattern', 'network')", name="kind"),
        CheckConstraint("verdict IN ('own_list', 'known_range', 'person')", name="verdict"),
        Index("idx_bot_rules_user_id", "user_id"),
    )

    id: Mapped[Serial]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    kind: Mapped[Word]
    pattern: Mapped[Word]
    verdict: Mapped[Word]
    created_at: Mapped[CreatedAt]


class RuleRow(NamedTuple):
    """A rule as people are shown it."""

    id: int
    user_id: UUID | None
    kind: str
    pattern: str
    verdict: str
    created_at: datetime


def version(tx: Tx) -> tuple[int, ...]:
    """Differs whenever the rules do: rules never change, and no id comes twice."""
    row = tx.execute(
        "SELECT count(*), coalesce(max(id), 0), coalesce(sum(id), 0)::bigint FROM bot_rules"
    ).fetchone()
    assert row is not None
    return tuple(row)


def read(tx: Tx) -> list[tuple[str | None, str, str, str]]:
    """All rules: user id or None, kind, pattern, verdict."""
    return tx.execute(
        "SELECT user_id::text, kind, pattern, verdict FROM bot_rules ORDER BY id"
    ).fetchall()


def page(tx: Tx, user_id: UUID | None, after: int, limit: int) -> list[RuleRow]:
    """Rules in the order they were made, those behind `after`; all, or a user's own."""
    with tx.cursor(row_factory=class_row(RuleRow)) as cursor:
        return cursor.execute(
            "SELECT id, user_id, kind, pattern, verdict, created_at FROM bot_rules"
            " WHERE id > %s AND (%s::uuid IS NULL OR user_id = %s) ORDER BY id LIMIT %s",
            (after, user_id, user_id, limit),
        ).fetchall()


def add(tx: Tx, user_id: UUID | None, kind: str, pattern: str, verdict: str) -> int:
    """A rule; its id."""
    row = tx.execute(
        "INSERT INTO bot_rules (user_id, kind, pattern, verdict) VALUES (%s, %s, %s, %s)"
        " RETURNING id",
        (user_id, kind, pattern, verdict),
    ).fetchone()
    assert row is not None
    return int(row[0])


def remove(tx: Tx, rule_id: int) -> bool:
    """Forget a rule; False when there is none."""
    return tx.execute("DELETE FROM bot_rules WHERE id = %s", (rule_id,)).rowcount == 1


def replace_ranges(tx: Tx, networks: Iterable[str]) -> None:
    """These are the known ranges of everybody from now on, and no others."""
    tx.execute("DELETE FROM bot_rules WHERE verdict = 'known_range' AND user_id IS NULL")
    tx.execute(
        "INSERT INTO bot_rules (kind, pattern, verdict)"
        " SELECT 'network', network, 'known_range' FROM unnest(%s::text[]) AS network",
        (list(networks),),
    )
