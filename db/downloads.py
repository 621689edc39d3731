"""Downloads: each time the link of a delivery was followed to its file."""

from collections.abc import Iterable

from sqlalchemy import BigInteger, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from db.connection import Tx
from db.table import Base, CreatedAt, Serial


class BonusDownload(Base):
    """One download. A row of its own, since whoever counts one holds other money's locks."""

    __tablename__ = "bonus_downloads"
    __table_args__ = (Index("idx_bonus_downloads_delivery_id", "delivery_id"),)

    id: Mapped[Serial]
    delivery_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("bonus_deliveries.id", ondelete="CASCADE")
    )
    created_at: Mapped[CreatedAt]


def add(tx: Tx, delivery_ids: Iterable[int]) -> None:
    """Count downloads of these deliveries, some of them perhaps more than once, or gone."""
    tx.execute(
        "INSERT INTO bonus_downloads (delivery_id) SELECT d.id FROM unnest(%s::bigint[])"
        " AS told (id) JOIN bonus_deliveries d ON d.id = told.id FOR KEY SHARE OF d",
        (list(delivery_ids),),
    )
