"""Turns at another company's API: how fast and how often all our processes ask it together."""

import hashlib
from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from db.connection import Tx
from db.table import Base, Moment, Word

# A clock that was put back would have everybody wait until it is there again.
_MOST_AHEAD = "1 minute"
# Nobody documents when an account's day begins: so no 24 hours hold more than a day's requests,
# whenever they begin. Hours are counted whole, and the one that has not ended is one more.
_HOURS = 24


class ApiTurn(Base):
    """A service, and when the next question may be put to it."""

    __tablename__ = "api_turns"

    service: Mapped[Word] = mapped_column(primary_key=True)
    next_at: Mapped[datetime] = mapped_column(Moment)


class ApiBudget(Base):
    """How many questions an account has put in an hour; `account` is its key's digest."""

    __tablename__ = "api_budgets"

    account: Mapped[Word] = mapped_column(primary_key=True)
    hour: Mapped[datetime] = mapped_column(Moment, primary_key=True)
    used: Mapped[int]


def account_of(key: str) -> str:
    """What an account is counted under: nobody reads its key from it."""
    return hashlib.sha256(key.encode()).hexdigest()


def take(tx: Tx, service: str, seconds: float, account: str, most: int) -> float | None:
    """Reserve the next turn: in how many seconds it is; None when the account has none left.

    `seconds` lie between two turns, whoever takes them; an account has `most` in 24 hours.
    Commit before waiting: who else wants a turn waits for this row.
    """
    row = tx.execute(
        "INSERT INTO api_turns AS t (service, next_at)"
        " VALUES (%(service)s, clock_timestamp() + make_interval(secs => %(seconds)s))"
        " ON CONFLICT (service) DO UPDATE SET next_at = make_interval(secs => %(seconds)s)"
        f"  + CASE WHEN t.next_at < clock_timestamp() + interval '{_MOST_AHEAD}'"
        "   THEN greatest(t.next_at, clock_timestamp()) ELSE clock_timestamp() END"
        " RETURNING extract(epoch FROM next_at - make_interval(secs => %(seconds)s)"
        "  - clock_timestamp())::float8",
        {"service": service, "seconds": seconds},
    ).fetchone()
    assert row is not None
    # The row above is locked: nobody else counts at this moment.
    if left(tx, account, most) <= 0:
        return None
    tx.execute(
        "INSERT INTO api_budgets AS b (account, hour, used)"
        " VALUES (%s, date_trunc('hour', clock_timestamp()), 1)"
        " ON CONFLICT (account, hour) DO UPDATE SET used = b.used + 1",
        (account,),
    )
    return max(0.0, float(row[0]))


def left(tx: Tx, account: str, most: int) -> int:
    """How many questions an account may still put, of so many in 24 hours."""
    row = tx.execute(
        "SELECT coalesce(sum(used), 0) FROM api_budgets WHERE account = %s"
        " AND hour >= date_trunc('hour', clock_timestamp()) - make_interval(hours => %s)",
        (account, _HOURS),
    ).fetchone()
    assert row is not None
    return max(0, most - int(row[0]))


def forget(tx: Tx) -> int:
    """Remove the hours that nobody counts any more; returns how many."""
    return tx.execute(
        "DELETE FROM api_budgets WHERE hour < clock_timestamp() - make_interval(hours => %s)",
        (2 * _HOURS,),
    ).rowcount
