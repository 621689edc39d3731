"""A product's history: gravity, commission and rank, a row for each day that changed one."""

import datetime
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from db.table import Base, Money, Percent


class ProductDay(Base):
    """What held from that day (UTC) on, until the next one; a product that never changed has none.

    The first change writes the values before it too, under the day they were last known to hold.
    """

    __tablename__ = "product_history"

    product_id: Mapped[UUID] = mapped_column(
        ForeignKey("products.id", ondelete="CASCADE"), primary_key=True
    )
    day: Mapped[datetime.date] = mapped_column(primary_key=True)
    gravity: Mapped[Money | None]
    commission_rate: Mapped[Percent | None]
    commission_amount: Mapped[Money | None]
    popularity_rank: Mapped[int | None]
