"""What accounts have sold of each vendor, as ClickBank's analytics told them, and products' rates.

The catalogue is everybody's, what an account sold is its own: a product shows the rates alone.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from db.connection import Tx
from db.table import Base, Json, Moment, Percent, Word


class VendorSales(Base):
    """A row of the analytics: `name` is a vendor in lower case, or a product's number (SKU).

    `told` is every value as text, by its name there; it is rewritten only when it changed.
    """

    __tablename__ = "vendor_sales"
    __table_args__ = (
        Index(
            "idx_vendor_sales_name", "name", postgresql_where=text("dimension = 'vendor'")
        ),
    )  # fmt: skip

    integration_id: Mapped[UUID] = mapped_column(
        ForeignKey("integrations.id", ondelete="CASCADE"), primary_key=True
    )
    account: Mapped[Word] = mapped_column(primary_key=True)
    role: Mapped[Word] = mapped_column(primary_key=True)
    dimension: Mapped[Word] = mapped_column(primary_key=True)
    name: Mapped[Word] = mapped_column(primary_key=True)
    refund_rate: Mapped[Percent | None]
    chargeback_rate: Mapped[Percent | None]
    sales: Mapped[int | None] = mapped_column(BigInteger)
    told: Mapped[Json]
    changed_at: Mapped[datetime] = mapped_column(Moment, server_default=text("now()"))


class Sold(NamedTuple):
    """One row to keep; `told` is JSON."""

    name: str
    refund_rate: Decimal | None
    chargeback_rate: Decimal | None
    sales: int | None
    told: str


class Rated(NamedTuple):
    """Of vendors that were told: how many products we know, and how many of them changed."""

    known: int
    updated: int


def keep(
    tx: Tx, integration_id: str, account: str, role: str, dimension: str, rows: Sequence[Sold]
) -> int:
    """Keep a page, each name once; returns how many rows are new or changed."""
    if not rows:
        return 0
    done = tx.execute(
        "INSERT INTO vendor_sales AS s (integration_id, account, role, dimension, name,"
        "  refund_rate, chargeback_rate, sales, told)"
        " SELECT %s, %s, %s, %s, t.* FROM unnest(%s::text[], %s::numeric[], %s::numeric[],"
        "  %s::bigint[], %s::jsonb[]) AS t"
        " ON CONFLICT (integration_id, account, role, dimension, name) DO UPDATE SET"
        "  refund_rate = EXCLUDED.refund_rate, chargeback_rate = EXCLUDED.chargeback_rate,"
        "  sales = EXCLUDED.sales, told = EXCLUDED.told, changed_at = now()"
        " WHERE (s.refund_rate, s.chargeback_rate, s.sales, s.told) IS DISTINCT FROM"
        "  (EXCLUDED.refund_rate, EXCLUDED.chargeback_rate, EXCLUDED.sales, EXCLUDED.told)",
        (integration_id, account, role, dimension, *map(list, zip(*rows, strict=True))),
    )
    return done.rowcount


# A seller's own numbers are of all its sales, and count alone; affiliates' are of what each of
# them sold, so a rate of more sales weighs more.
_RATE = """
    WITH told AS (
        SELECT name, round(coalesce(
            sum(refund_rate * sales) / nullif(sum(sales) FILTER (WHERE refund_rate IS NOT NULL), 0),
            avg(refund_rate)), 2) AS refund_rate,
            round(coalesce(sum(chargeback_rate * sales)
                / nullif(sum(sales) FILTER (WHERE chargeback_rate IS NOT NULL), 0),
            avg(chargeback_rate)), 2) AS chargeback_rate
        FROM vendor_sales s WHERE dimension = 'vendor' AND name = ANY(%(names)s::text[])
            AND role = (SELECT max(role) FROM vendor_sales b WHERE b.dimension = 'vendor'
                AND b.name = s.name AND b.refund_rate IS NOT NULL)
        GROUP BY name
    ), known AS MATERIALIZED (
        SELECT p.id, told.refund_rate, told.chargeback_rate, p.refund_rate AS old_rate,
            CASE jsonb_typeof(p.data_snapshot) WHEN 'object' THEN p.data_snapshot
                ELSE '{}' END AS snapshot
        FROM products p JOIN told ON told.name = p.clickbank_id
        WHERE p.clickbank_id = ANY(%(names)s)  -- by its index, whatever the planner thinks of CTEs
        ORDER BY p.id FOR NO KEY UPDATE OF p
    ), made AS (
        SELECT id, refund_rate, old_rate, snapshot,
            CASE jsonb_typeof(snapshot -> 'api') WHEN 'object' THEN snapshot -> 'api' ELSE '{}' END
                || jsonb_strip_nulls(jsonb_build_object('refund_rate', refund_rate::text,
                    'chargeback_rate', chargeback_rate::text)) AS api
        FROM known WHERE refund_rate IS NOT NULL
    ), changed AS (
        UPDATE products p SET refund_rate = made.refund_rate, last_updated = now(),
            data_snapshot = made.snapshot || jsonb_build_object('api', made.api)
        FROM made WHERE p.id = made.id AND (made.old_rate IS DISTINCT FROM made.refund_rate
            OR made.snapshot -> 'api' IS DISTINCT FROM made.api)
        RETURNING p.id
    )
    SELECT (SELECT count(*) FROM known), (SELECT count(*) FROM changed)
"""


def rate(tx: Tx, names: Sequence[str]) -> Rated:
    """Give the products of these vendors the rates that all accounts together tell.

    Where none tells a rate, what the product has stays.
    """
    # Said for this transaction: a feed need not restore what no feed tells.
    tx.execute("SET LOCAL hopfleet.syncing = 'on'")
    row = tx.execute(_RATE, {"names": list(names)}).fetchone()
    assert row is not None
    return Rated(*row)
