"""Receipts: the ledger of what was ever told of payments; rows are added, never changed."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from db.connection import Tx
from db.table import Base, CreatedAt, Money, Serial, Str3, Str20, Str32, Str255
from schemas.receipts import Fact


class Receipt(Base):
    """One report of a payment, by whatever door, and what it changed.

    `event_id` names the payment: the id of the first item that told of it. `verdict` says what
    the report did: `counted` (wrote an event), `corrected` (changed its amount), `reversed`
    (took it back), `duplicate` (kept as an event that does not count), `noted` (changed nothing).
    `revenue` is what the report added to revenue, in dollars and signed.
    """

    __tablename__ = "receipts"
    __table_args__ = (
        CheckConstraint(
            "state IN ('pending', 'approved', 'rejected', 'refund', 'chargeback', 'rebill')",
            name="state",
        ),
        Index("idx_receipts_order_id", "order_id"),
        Index("idx_receipts_user_id", "user_id", "id"),
        Index("idx_receipts_flagged", "created_at", postgresql_where=text("flags <> '{}'")),
    )

    id: Mapped[Serial]
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id", ondelete="CASCADE"))
    user_id: Mapped[UUID]
    integration_id: Mapped[UUID | None]
    receipt: Mapped[Str255]
    type: Mapped[Str20]
    state: Mapped[Str20]
    number: Mapped[Str255] = mapped_column(server_default="")
    role: Mapped[Str20] = mapped_column(server_default="")
    door: Mapped[Str20]
    verdict: Mapped[Str20]
    amount: Mapped[Money | None]
    currency: Mapped[Str3 | None]
    revenue: Mapped[Money | None]
    event_id: Mapped[Str32]
    item_id: Mapped[Str32]
    click_id: Mapped[Str32 | None]
    campaign_id: Mapped[UUID | None]
    reason: Mapped[Str255 | None]
    flags: Mapped[list[str]] = mapped_column(ARRAY(String), server_default=text("'{}'"))
    created_at: Mapped[CreatedAt]


_COLUMNS = ", ".join(
    f"{name}::text" if name in ("user_id", "integration_id", "campaign_id") else name
    for name in Fact._fields
)


def of_orders(tx: Tx, order_ids: Iterable[int]) -> dict[int, list[Fact]]:
    """All facts of these orders, in the order they came."""
    found: dict[int, list[Fact]] = defaultdict(list)
    wanted = list(order_ids)
    if wanted:
        rows = tx.execute(
            f"SELECT {_COLUMNS} FROM receipts WHERE order_id = ANY(%s::bigint[]) ORDER BY id",
            (wanted,),
        )
        for row in rows:
            found[row[0]].append(Fact(*row))
    return found


def counted(
    tx: Tx, user_id: str, integration_id: str, door: str, since: datetime, until: datetime
) -> list[Fact]:
    """What one integration has told by a door and counts, of that time."""
    rows = tx.execute(
        f"SELECT {_COLUMNS} FROM receipts WHERE user_id = %s AND integration_id = %s"
        " AND door = %s AND verdict = 'counted' AND created_at >= %s AND created_at < %s"
        " ORDER BY id",
        (user_id, integration_id, door, since, until),
    )
    return [Fact(*row) for row in rows]


def add(tx: Tx, facts: Iterable[Fact]) -> None:
    """Write facts into the ledger, in this order."""
    rows = list(facts)
    if not rows:
        return
    with (
        tx.cursor() as cursor,
        cursor.copy(f"COPY receipts ({', '.join(Fact._fields)}) FROM STDIN") as stream,
    ):
        for *texts, flags, created_at in rows:
            # Our own words, and mostly none: an empty list costs psycopg more than all the rest.
            stream.write_row((*texts, f"{{{','.join(flags)}}}", created_at))
