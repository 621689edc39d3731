"""Prices: which tier each of Stripe's prices stands for."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Index, false
from sqlalchemy.orm import Mapped, mapped_column

from db.connection import Tx
from db.table import NOW, At, Base, Str20, Str50, Str255


class StripePrice(Base):
    """A price; `tier` is a person's word when `by_hand`, else what Stripe's metadata says.

    A product whose tier is told apart from its prices stands here under its own id.
    """

    __tablename__ = "stripe_prices"
    __table_args__ = (Index("idx_stripe_prices_product_id", "product_id"),)

    price_id: Mapped[Str255] = mapped_column(primary_key=True)
    lookup_key: Mapped[Str255 | None]
    product_id: Mapped[Str255 | None]
    tier: Mapped[Str50 | None]
    by_hand: Mapped[bool] = mapped_column(server_default=false())
    period: Mapped[Str20 | None]
    livemode: Mapped[bool | None]
    made_at: Mapped[At] = mapped_column(server_default=NOW)


class PriceRow(NamedTuple):
    """A price as people are shown it."""

    price_id: str
    lookup_key: str | None
    product_id: str | None
    tier: str | None
    by_hand: bool
    period: str | None


def told(
    tx: Tx, price: str, lookup: str | None, product: str | None, tier: str | None,
    period: str | None, *, livemode: bool, made_at: datetime,
) -> None:  # fmt: skip
    """Take what Stripe says of a price, unless we know newer; a person's tier stays."""
    tx.execute(
        "INSERT INTO stripe_prices AS known"
        " (price_id, lookup_key, product_id, tier, period, livemode, made_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (price_id) DO UPDATE SET"
        "  lookup_key = EXCLUDED.lookup_key, product_id = EXCLUDED.product_id,"
        "  tier = CASE WHEN known.by_hand THEN known.tier ELSE EXCLUDED.tier END,"
        "  period = EXCLUDED.period, livemode = EXCLUDED.livemode, made_at = EXCLUDED.made_at"
        " WHERE known.made_at <= EXCLUDED.made_at OR known.by_hand",
        (price, lookup, product, tier, period and period[:20], livemode, made_at),
    )


def put(tx: Tx, price: str, tier: str | None) -> None:
    """A person's word on a price; None takes it back."""
    tx.execute(
        "INSERT INTO stripe_prices AS known (price_id, tier, by_hand, made_at)"
        " VALUES (%(price)s, %(tier)s, %(tier)s::varchar IS NOT NULL, 'epoch')"
        " ON CONFLICT (price_id) DO UPDATE SET tier = EXCLUDED.tier, by_hand = EXCLUDED.by_hand",
        {"price": price, "tier": tier},
    )


def tiers(tx: Tx, ids: list[str]) -> dict[str, str]:
    """The tiers of these prices and products, where known."""
    rows = tx.execute(
        "SELECT price_id, tier FROM stripe_prices WHERE price_id = ANY(%s) AND tier IS NOT NULL",
        (ids,),
    )
    return {row[0]: row[1] for row in rows}


def page(tx: Tx) -> list[PriceRow]:
    """All prices there are: an account has dozens."""
    rows = tx.execute(
        f"SELECT {', '.join(PriceRow._fields)} FROM stripe_prices ORDER BY price_id LIMIT 10000"
    )
    return [PriceRow(*row) for row in rows]
