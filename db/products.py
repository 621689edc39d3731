"""Products: the ClickBank catalogue."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from psycopg.rows import class_row
from sqlalchemy import Index, false, text
from sqlalchemy.orm import Mapped, mapped_column

from db.connection import Tx
from db.table import At, Base, CreatedAt, Id, Json, Long, Money, Percent, Str100, Str255, Str500


class Product(Base):
    """One product of the marketplace, as its feed last described it."""

    __tablename__ = "products"
    __table_args__ = (
        Index("idx_products_clickbank_id", "clickbank_id"),
        Index("idx_products_category", "category"),
        Index("idx_products_gravity", text("gravity DESC")),
        Index("idx_products_commission", text("commission_amount DESC")),
        Index(
            "idx_products_search",
            # As PostgreSQL prints it back: migrations are compared by these characters.
            text("to_tsvector('english'::regconfig, (title::text || ' '::text) || description)"),
            postgresql_using="gin",
        ),
    )

    id: Mapped[Id]
    clickbank_id: Mapped[Str100] = mapped_column(unique=True)
    title: Mapped[Str500]
    vendor: Mapped[Str255]
    category: Mapped[Str255 | None]
    description: Mapped[Long | None]
    commission_rate: Mapped[Percent | None]
    commission_amount: Mapped[Money | None]
    initial_sale_amount: Mapped[Money | None]
    gravity: Mapped[Money | None]
    refund_rate: Mapped[Percent | None]
    rebill: Mapped[bool | None] = mapped_column(server_default=false())
    popularity_rank: Mapped[int | None]
    data_snapshot: Mapped[Json | None]
    last_updated: Mapped[At | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]


class Named(NamedTuple):
    """A product that somebody named by its ClickBank id."""

    id: UUID
    clickbank_id: str
    title: str
    vendor: str
    vanished_at: datetime | None


def named(tx: Tx, clickbank_id: str) -> Named | None:
    """The product of exactly that id, in whatever case."""
    told = clickbank_id.strip()
    return _one(tx, "p.clickbank_id = ANY(%s) ORDER BY p.clickbank_id DESC", [told.lower(), told])


def by_id(tx: Tx, product_id: UUID) -> Named | None:
    """The product of one of our own ids."""
    return _one(tx, "p.id = %s", product_id)


def _one(tx: Tx, where: str, value: object) -> Named | None:
    with tx.cursor(row_factory=class_row(Named)) as cursor:
        return cursor.execute(
            "SELECT p.id, p.clickbank_id, p.title, p.vendor, a.vanished_at FROM products p"
            f" LEFT JOIN product_absences a ON a.product_id = p.id WHERE {where} LIMIT 1",
            (value,),
        ).fetchone()
