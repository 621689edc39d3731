"""Trials: those that end soon, and whose owners were not told."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from db.connection import Tx


class Ending(NamedTuple):
    """A trial that ends; `ref` is that moment, so that another one is told of anew."""

    user_id: UUID
    ends_at: datetime
    ref: str


_REF = "to_char(u.trial_ends_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"


def ending(tx: Tx, kind: str, days: int, limit: int) -> list[Ending]:
    """Trials of ours that end within so many days and have no notice of this kind, soonest first.

    Stripe itself writes to those who have subscribed.
    """
    rows = tx.execute(
        f"SELECT u.id, u.trial_ends_at, {_REF} FROM users u WHERE u.status = 'trial'"
        " AND u.trial_ends_at > now() AND u.trial_ends_at <= now() + make_interval(days => %s)"
        " AND u.stripe_subscription_id IS NULL AND NOT EXISTS (SELECT FROM notices n"
        f"  WHERE n.user_id = u.id AND n.kind = %s AND n.ref = {_REF})"
        " ORDER BY u.trial_ends_at LIMIT %s",
        (days, kind, limit),
    )
    return [Ending(*row) for row in rows]
