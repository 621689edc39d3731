"""What of products is searched, filtered and sorted: a narrow table that triggers keep."""

from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Text, false
from sqlalchemy.dialects.postgresql import ARRAY, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from db.connection import Tx
from db.table import At, Base, Money, Percent


class ProductSearch(Base):
    """A product as a search sees it; -1 is a number that nobody told."""

    __tablename__ = "product_search"
    __table_args__ = (
        Index("idx_product_search_words", "words", postgresql_using="gin"),
        Index("idx_product_search_title", "title_words", postgresql_using="gin"),
        Index("idx_product_search_categories", "categories", postgresql_using="gin"),
        Index("idx_product_search_gravity", "gravity", "product_id"),
        Index("idx_product_search_amount", "commission_amount", "product_id"),
        Index("idx_product_search_rate", "commission_rate", "product_id"),
        Index("idx_product_search_initial", "initial_sale_amount", "product_id"),
        Index("idx_product_search_rank", "popularity_rank", "product_id"),
        Index("idx_product_search_trend", "trend", "product_id"),
        Index("idx_product_search_created", "created_at", "product_id"),
    )

    product_id: Mapped[UUID] = mapped_column(
        ForeignKey("products.id", ondelete="CASCADE"), primary_key=True
    )
    words: Mapped[Any] = mapped_column(TSVECTOR)
    title_words: Mapped[Any] = mapped_column(TSVECTOR)
    categories: Mapped[list[str]] = mapped_column(ARRAY(Text))
    gravity: Mapped[Money]
    commission_amount: Mapped[Money]
    commission_rate: Mapped[Percent]
    initial_sale_amount: Mapped[Money]
    popularity_rank: Mapped[int]
    trend: Mapped[Money]
    refund_rate: Mapped[Percent | None]
    rebill: Mapped[bool]
    is_gone: Mapped[bool] = mapped_column(server_default=false())
    created_at: Mapped[At]


def refresh_trends(tx: Tx) -> int:
    """Trends go on although nothing changes: what rose 30 days ago rises no more.

    And what was as it is now 30 days ago, but not in between, begins to rise or fall: wherever a
    change has become so old lately; a month of it, should this not have run for some time.
    """
    done = tx.execute(
        "UPDATE product_search s SET trend = now.trend FROM ("
        "  SELECT product_id, hopfleet_trend(product_id, nullif(gravity, -1)) AS trend"
        "  FROM product_search WHERE trend <> 0 OR product_id IN ("
        "   SELECT product_id FROM product_history"
        "   WHERE (statement_timestamp() AT TIME ZONE 'UTC')::date - day BETWEEN 30 AND 60)) AS now"
        " WHERE s.product_id = now.product_id AND s.trend <> now.trend"
    )
    return done.rowcount
