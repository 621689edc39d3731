"""Orders: what all payments of one receipt have in common: the click and campaign they follow.

The row is also the lock: whoever decides on a payment holds its order, so that one sale that is
told by two doors at the same moment is still one.
"""

from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from db.connection import Tx
from db.table import Base, CreatedAt, Serial, Str32, Str255, Word

Key = tuple[str, str]  # user id, receipt


class Order(Base):
    """A first payment's receipt and all that follows it: rebills, refunds, deliveries.

    It keeps click and campaign itself, without keys to them: both may be archived or deleted.
    `parent` is the receipt of the order it was an upsell to.
    """

    __tablename__ = "orders"
    __table_args__ = (
        UniqueConstraint("user_id", "receipt"),
        Index(
            "idx_orders_parent", "user_id", "parent", postgresql_where=text("parent IS NOT NULL")
        ),
        Index(
            "idx_orders_campaign_id",
            "campaign_id",
            postgresql_where=text("campaign_id IS NOT NULL"),
        ),
        Index(
            "idx_orders_unattributed",
            "created_at",
            postgresql_where=text("campaign_id IS NULL"),
        ),
    )

    id: Mapped[Serial]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    receipt: Mapped[Str255]
    parent: Mapped[Str255 | None]
    click_id: Mapped[Str32 | None]
    campaign_id: Mapped[UUID | None]
    source: Mapped[Str255 | None]
    matched_by: Mapped[Word] = mapped_column(server_default="none")
    created_at: Mapped[CreatedAt]


class OrderRow(NamedTuple):
    """An order as it is known; ids as text."""

    id: int
    user_id: str
    receipt: str
    parent: str | None
    click_id: str | None
    campaign_id: str | None
    source: str | None
    matched_by: str


_COLUMNS = "id, user_id::text, receipt, parent, click_id, campaign_id::text, source, matched_by"


def lock(tx: Tx, keys: Iterable[Key]) -> dict[Key, OrderRow]:
    """The orders of these users and receipts, made where there were none, ours until we commit.

    Always in the same order, so that two of us wait and never deadlock.
    """
    wanted = sorted(set(keys))
    if not wanted:
        return {}
    arrays = [one[0] for one in wanted], [one[1] for one in wanted]
    tx.execute(
        "INSERT INTO orders (user_id, receipt) SELECT * FROM unnest(%s::uuid[], %s::varchar[])"
        " ON CONFLICT (user_id, receipt) DO NOTHING",
        arrays,
    )
    rows = tx.execute(
        f"SELECT {_COLUMNS} FROM orders"
        " WHERE (user_id, receipt) IN (SELECT * FROM unnest(%s::uuid[], %s::varchar[]))"
        " ORDER BY user_id, receipt FOR UPDATE",
        arrays,
    )
    return {(row[1], row[2]): OrderRow(*row) for row in rows}


def find(tx: Tx, keys: Iterable[Key]) -> dict[Key, OrderRow]:
    """Those of these orders that exist; locks nothing."""
    wanted = sorted(set(keys))
    if not wanted:
        return {}
    rows = tx.execute(
        f"SELECT {_COLUMNS} FROM orders"
        " WHERE (user_id, receipt) IN (SELECT * FROM unnest(%s::uuid[], %s::varchar[]))",
        ([one[0] for one in wanted], [one[1] for one in wanted]),
    )
    return {(row[1], row[2]): OrderRow(*row) for row in rows}


def hold(tx: Tx, keys: Iterable[Key]) -> dict[Key, OrderRow]:
    """Those of these orders that exist, ours until we commit; makes none."""
    wanted = sorted(set(keys))
    if not wanted:
        return {}
    rows = tx.execute(
        f"SELECT {_COLUMNS} FROM orders"
        " WHERE (user_id, receipt) IN (SELECT * FROM unnest(%s::uuid[], %s::varchar[]))"
        " ORDER BY user_id, receipt FOR UPDATE",
        ([one[0] for one in wanted], [one[1] for one in wanted]),
    )
    return {(row[1], row[2]): OrderRow(*row) for row in rows}


def lock_upsells(tx: Tx, parents: Iterable[Key]) -> list[OrderRow]:
    """Orders that were upsells to these and have no campaign yet, ours until we commit.

    One that somebody else holds is left out: he will look at its parent himself.
    """
    wanted = sorted(set(parents))
    if not wanted:
        return []
    rows = tx.execute(
        f"SELECT {_COLUMNS} FROM orders"
        " WHERE (user_id, parent) IN (SELECT * FROM unnest(%s::uuid[], %s::varchar[]))"
        " AND parent IS NOT NULL AND campaign_id IS NULL ORDER BY id FOR UPDATE SKIP LOCKED",
        ([one[0] for one in wanted], [one[1] for one in wanted]),
    )
    return [OrderRow(*row) for row in rows]


def write(tx: Tx, orders: Iterable[OrderRow]) -> None:
    """Keep what was found out about orders that are locked."""
    rows = sorted(orders)
    if not rows:
        return
    columns = [list(column) for column in zip(*rows, strict=True)]
    tx.execute(
        "UPDATE orders SET parent = new.parent, click_id = new.click_id,"
        " campaign_id = new.campaign_id, source = new.source, matched_by = new.matched_by"
        " FROM unnest(%s::bigint[], %s::uuid[], %s::varchar[], %s::varchar[], %s::varchar[],"
        "  %s::uuid[], %s::varchar[], %s::varchar[])"
        f" AS new ({', '.join(OrderRow._fields)}) WHERE orders.id = new.id",
        columns,
    )


def purge_chunk(tx: Tx, user_id: UUID | str, limit: int) -> int:
    """Delete at most `limit` orders of a user with all that hangs on them; 0 when none is left."""
    done = tx.execute(
        "DELETE FROM orders WHERE id = ANY(ARRAY("
        " SELECT id FROM orders WHERE user_id = %s ORDER BY receipt LIMIT %s))",
        (user_id, limit),
    )
    return done.rowcount
