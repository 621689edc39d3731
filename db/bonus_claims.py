"""Claims: buyers who say where their bonus is to go, with the receipt they have paid for."""

from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from db.table import Base, CreatedAt, Str32, Str255, Word
from db.work import WorkRow


class BonusClaim(WorkRow, Base):
    """One claim; pending while its receipt may still become a sale.

    `item_id` is the door's, so that an item that comes twice is one claim. `folded` is the
    receipt in upper case: buyers type it as they like. `address` is sealed, and erased when the
    claim is over. `network` is the truncated address it came from, empty where many share one.
    `order_id` is set once the claim holds.
    """

    __tablename__ = "bonus_claims"
    __table_args__ = (
        CheckConstraint("state IN ('pending', 'running', 'done', 'dead')", name="state"),
        Index(
            "idx_bonus_claims_due", "next_attempt_at", postgresql_where=text("state = 'pending'")
        ),
        Index("idx_bonus_claims_state", "state", postgresql_where=text("state <> 'done'")),
        Index("idx_bonus_claims_receipt", "user_id", "folded", "created_at"),
        Index(
            "idx_bonus_claims_network", "user_id", "network", "created_at",
            postgresql_where=text("network <> ''"),
        ),
        Index("idx_bonus_claims_created_at", "created_at"),
    )  # fmt: skip

    item_id: Mapped[Str32] = mapped_column(unique=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    campaign_id: Mapped[UUID]
    receipt: Mapped[Str255]
    folded: Mapped[Str255]
    address: Mapped[bytes | None] = mapped_column(LargeBinary)
    network: Mapped[Word] = mapped_column(server_default="")
    order_id: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[CreatedAt]
