"""What accounts are asked of products, and how far: whoever goes on begins where it stopped."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, text
from sqlalchemy.orm import Mapped, mapped_column

from db.connection import Tx
from db.table import Base, Moment, Word


class ProductAsk(Base):
    """A question to an account of an integration, in the newest sync that asks it.

    `page` is the next one to ask for. `ended_at` is set when it is answered, or when it is
    given up, with the `reason`.
    """

    __tablename__ = "product_asks"

    integration_id: Mapped[UUID] = mapped_column(
        ForeignKey("integrations.id", ondelete="CASCADE"), primary_key=True
    )
    account: Mapped[Word] = mapped_column(primary_key=True)
    question: Mapped[Word] = mapped_column(primary_key=True)
    sync_id: Mapped[int] = mapped_column(BigInteger)
    page: Mapped[int] = mapped_column(server_default=text("1"))
    ended_at: Mapped[datetime | None] = mapped_column(Moment)
    reason: Mapped[Word | None]


class Ask(NamedTuple):
    """A question that waits for its answer."""

    integration_id: str
    account: str
    question: str
    page: int


def put(
    tx: Tx, sync_id: int, integration_id: str, account: str, questions: Sequence[str]
) -> list[Ask]:
    """What of these an account has still to be asked in this sync, in their order.

    What an earlier sync did not bring to its end goes on where it was. None for an integration
    that is gone.
    """
    tx.execute(
        "INSERT INTO product_asks AS a (integration_id, account, question, sync_id)"
        " SELECT i.id, %(account)s, question, %(sync)s"
        " FROM unnest(%(questions)s::text[]) AS question, integrations i WHERE i.id = %(id)s"
        " ON CONFLICT (integration_id, account, question) DO UPDATE SET"
        "  page = CASE WHEN a.ended_at IS NULL THEN a.page ELSE 1 END,"
        "  sync_id = EXCLUDED.sync_id, ended_at = NULL, reason = NULL"
        " WHERE a.sync_id <> EXCLUDED.sync_id",
        {"sync": sync_id, "id": integration_id, "account": account, "questions": list(questions)},
    )
    rows = tx.execute(
        "SELECT integration_id::text, account, question, page FROM product_asks"
        " WHERE integration_id = %s AND account = %s AND sync_id = %s AND ended_at IS NULL"
        " AND question = ANY(%s::text[]) ORDER BY array_position(%s::text[], question::text)",
        (integration_id, account, sync_id, list(questions), list(questions)),
    )
    return [Ask(*row) for row in rows]


def hold(tx: Tx, ask: Ask) -> bool:
    """Before anything is written for it: False when the integration is gone, else it stays."""
    row = tx.execute(
        "SELECT FROM integrations WHERE id = %s FOR KEY SHARE", (ask.integration_id,)
    ).fetchone()
    return row is not None


def go_on(tx: Tx, ask: Ask, page: int) -> None:
    """The next page to ask for."""
    _set(tx, ask, "page = %s", page)


def end(tx: Tx, ask: Ask, reason: str | None = None) -> None:
    """It was answered, or given up for a reason."""
    _set(tx, ask, "ended_at = now(), reason = %s", reason)


def _set(tx: Tx, ask: Ask, changes: str, value: object) -> None:
    tx.execute(
        f"UPDATE product_asks SET {changes}"
        " WHERE integration_id = %s AND account = %s AND question = %s",
        (value, ask.integration_id, ask.account, ask.question),
    )


def live(tx: Tx, user_id: str, limit: int) -> list[tuple[str, str | None]]:
    """Products of a user's active campaigns, those of the most gravity first.

    Ids, and how an account's analytics last wrote that vendor: with or without capitals.
    """
    rows = tx.execute(
        "SELECT p.clickbank_id, (SELECT told ->> 'DIMENSION_VALUE' FROM vendor_sales s"
        "  WHERE s.dimension = 'vendor' AND s.name = p.clickbank_id LIMIT 1)"
        " FROM products p WHERE p.id IN (SELECT product_id FROM campaigns"
        "  WHERE user_id = %s AND status = 'active' AND product_id IS NOT NULL)"
        " ORDER BY p.gravity DESC NULLS LAST, p.clickbank_id LIMIT %s",
        (user_id, limit),
    )
    return [(row[0], row[1]) for row in rows]


def with_live(tx: Tx) -> set[str]:
    """Users with active campaigns for products."""
    rows = tx.execute(
        "SELECT DISTINCT user_id::text FROM campaigns"
        " WHERE status = 'active' AND product_id IS NOT NULL"
    )
    return {row[0] for row in rows}
