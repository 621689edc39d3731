"""Attempts: each try to hand a bonus's mail to a server, written down before it is made."""

from sqlalchemy import BigInteger, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from db.table import At, Base, CreatedAt, Long, Serial, Word


class DeliveryAttempt(Base):
    """One try; without an outcome nobody knows what became of it.

    `outcome` is `accepted`, `refused`, `deferred`, `unreachable` or `unknown`; `code` and `said`
    are the server's.
    """

    __tablename__ = "delivery_attempts"
    __table_args__ = (Index("idx_delivery_attempts_delivery_id", "delivery_id"),)

    id: Mapped[Serial]
    delivery_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("bonus_deliveries.id", ondelete="CASCADE")
    )
    attempt: Mapped[int]
    repeat: Mapped[int] = mapped_column(server_default=text("0"))
    server: Mapped[Word]
    outcome: Mapped[Word | None]
    code: Mapped[int | None]
    said: Mapped[Long | None]
    created_at: Mapped[CreatedAt]
    ended_at: Mapped[At | None]
