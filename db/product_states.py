"""What feeds last said of products: a hash of it, and since when they say nothing."""

from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from db.table import At, Base, Str100


class ProductState(Base):
    """A product that a feed has listed, with the hash of all that was told of it.

    Zeros, of a product that anybody else changed: the next feed restores it.
    """

    __tablename__ = "product_states"

    product_id: Mapped[UUID] = mapped_column(
        ForeignKey("products.id", ondelete="CASCADE"), primary_key=True
    )
    clickbank_id: Mapped[Str100]
    digest: Mapped[UUID]


class ProductAbsence(Base):
    """A product that the last feeds have not listed: how many, since which, and last seen when.

    It has vanished at the third. The row goes when a feed lists it again.
    """

    __tablename__ = "product_absences"

    product_id: Mapped[UUID] = mapped_column(
        ForeignKey("products.id", ondelete="CASCADE"), primary_key=True
    )
    feeds: Mapped[int]
    last_seen_at: Mapped[At | None]
    since_sync: Mapped[int] = mapped_column(BigInteger)
    vanished_at: Mapped[At | None]
