"""Billing: Stripe's customers, what their subscriptions were, and the account that follows."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from sqlalchemy import BigInteger, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from db.connection import Tx
from db.table import At, Base, CreatedAt, Json, Str255, Word


class StripeCustomer(Base):
    """A customer of Stripe's; `sequence` names who asked last, `written` who wrote last."""

    __tablename__ = "stripe_customers"
    __table_args__ = (
        Index("idx_stripe_customers_user_id", "user_id"),
        Index(
            "idx_stripe_customers_unbound", "customer_id", postgresql_where=text("user_id IS NULL")
        ),
        Index(
            "idx_stripe_customers_grace",
            "grace_ends_at",
            postgresql_where=text("grace_ends_at IS NOT NULL"),
        ),
    )

    customer_id: Mapped[Str255] = mapped_column(primary_key=True)
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    sequence: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    written: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    deleted_at: Mapped[At | None]
    grace_ends_at: Mapped[At | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]


class StripeState(Base):
    """What a subscription was at `made_at`, by Stripe's clock; `event_id` told it."""

    __tablename__ = "stripe_states"

    customer_id: Mapped[Str255] = mapped_column(
        ForeignKey("stripe_customers.customer_id", ondelete="CASCADE"), primary_key=True
    )
    subscription_id: Mapped[Str255] = mapped_column(primary_key=True)
    event_id: Mapped[Str255] = mapped_column(primary_key=True)
    made_at: Mapped[At]
    status: Mapped[Word]
    prices: Mapped[Json] = mapped_column(server_default=text("'[]'"))
    begun_at: Mapped[At | None]
    trial_end: Mapped[At | None]
    ended_at: Mapped[At | None]
    created_at: Mapped[CreatedAt]


class StateRow(NamedTuple):
    """A state as it is kept; `prices` as `rules.billing.tier_of` takes them."""

    customer_id: str
    subscription_id: str
    event_id: str
    made_at: datetime
    status: str
    prices: list[dict[str, str | None]]
    begun_at: datetime | None
    trial_end: datetime | None
    ended_at: datetime | None


class CustomerRow(NamedTuple):
    """A customer as it stands while we hold its lock."""

    user_id: UUID | None
    sequence: int
    written: int
    deleted_at: datetime | None


class Account(NamedTuple):
    """What billing writes of a user."""

    status: str
    tier: str
    stripe_customer_id: str | None
    stripe_subscription_id: str | None
    trial_ends_at: datetime | None


def ask(tx: Tx, customer: str) -> int:
    """A number for whoever is about to ask Stripe about a customer; commit before asking."""
    row = tx.execute(
        "INSERT INTO stripe_customers (customer_id, sequence) VALUES (%s, 1)"
        " ON CONFLICT (customer_id) DO UPDATE SET sequence = stripe_customers.sequence + 1"
        " RETURNING sequence",
        (customer,),
    ).fetchone()
    assert row is not None
    return int(row[0])


def lock(tx: Tx, customer: str) -> CustomerRow:
    """Hold a customer until the transaction ends; a new one when it was unknown."""
    tx.execute(
        "INSERT INTO stripe_customers (customer_id) VALUES (%s) ON CONFLICT DO NOTHING",
        (customer,),
    )
    row = tx.execute(
        "SELECT user_id, sequence, written, deleted_at FROM stripe_customers"
        " WHERE customer_id = %s FOR NO KEY UPDATE",
        (customer,),
    ).fetchone()
    assert row is not None
    return CustomerRow(*row)


def wrote(tx: Tx, customer: str, sequence: int) -> None:
    """Say that what was asked for under this number is written."""
    tx.execute(
        "UPDATE stripe_customers SET written = greatest(written, %s), updated_at = now()"
        " WHERE customer_id = %s",
        (sequence, customer),
    )


def deleted(tx: Tx, customer: str, at: datetime) -> None:
    """Say that Stripe has deleted a customer; for good."""
    tx.execute(
        "UPDATE stripe_customers SET deleted_at = least(deleted_at, %s) WHERE customer_id = %s",
        (at, customer),
    )


def keep(tx: Tx, rows: Iterable[StateRow]) -> None:
    """Add states to their customers' history; an answer that says nothing new is not kept.

    Answers have ids that begin with `~`, which sorts them behind events of the same second.
    """
    for row in rows:
        tx.execute(
            f"INSERT INTO stripe_states ({', '.join(StateRow._fields)})"
            " SELECT %(customer_id)s::text, %(subscription_id)s::text, %(event_id)s::text,"
            "  %(made_at)s::timestamptz, %(status)s::text, %(prices)s::jsonb,"
            "  %(begun_at)s::timestamptz, %(trial_end)s::timestamptz, %(ended_at)s::timestamptz"
            " WHERE %(event_id)s::text NOT LIKE '~%%' OR NOT EXISTS (SELECT FROM"
            "  (SELECT * FROM stripe_states WHERE customer_id = %(customer_id)s::text"
            "   AND subscription_id = %(subscription_id)s::text"
            "   ORDER BY made_at DESC, event_id DESC LIMIT 1) AS last"
            "  WHERE last.status = %(status)s::text AND last.prices = %(prices)s::jsonb"
            "  AND last.trial_end IS NOT DISTINCT FROM %(trial_end)s::timestamptz"
            "  AND last.ended_at IS NOT DISTINCT FROM %(ended_at)s::timestamptz)"
            " ON CONFLICT DO NOTHING",
            {**row._asdict(), "prices": orjson.dumps(row.prices).decode()},
        )


def states(tx: Tx, customers: list[str]) -> list[StateRow]:
    """The whole history of these customers, in no order."""
    rows = tx.execute(
        f"SELECT {', '.join(StateRow._fields)} FROM stripe_states WHERE customer_id = ANY(%s)",
        (customers,),
    )
    return [StateRow(*row) for row in rows]


def user_for(tx: Tx, customer: str) -> UUID | None:
    """The user whom the platform's own application has given this customer; the oldest of them."""
    row = tx.execute(
        "SELECT id FROM users WHERE stripe_customer_id = %s ORDER BY created_at, id LIMIT 1",
        (customer,),
    ).fetchone()
    return row[0] if row else None


def bind(tx: Tx, customer: str, user_id: UUID | str, *, by_anybody: bool) -> bool:
    """Give a customer without a user this one; False when there is none, or it may not be.

    `by_anybody`: somebody who pays may have named the user. Then it must have no customer yet, or
    a stranger could end an account by ending a subscription.
    """
    done = tx.execute(
        "UPDATE stripe_customers c SET user_id = u.id, updated_at = now() FROM users u"
        " WHERE c.customer_id = %(customer)s AND c.user_id IS NULL AND u.id = %(user)s"
        " AND (NOT %(by_anybody)s OR u.stripe_customer_id = c.customer_id"
        "  OR (u.stripe_customer_id IS NULL AND NOT EXISTS (SELECT FROM stripe_customers other"
        "   WHERE other.user_id = u.id AND other.deleted_at IS NULL)))",
        {"customer": customer, "user": user_id, "by_anybody": by_anybody},
    )
    return done.rowcount == 1


def customers_of(tx: Tx, user_id: UUID) -> dict[str, datetime | None]:
    """A user's customers, and when each was deleted."""
    rows = tx.execute(
        "SELECT customer_id, deleted_at FROM stripe_customers WHERE user_id = %s", (user_id,)
    )
    return {row[0]: row[1] for row in rows}


def account(tx: Tx, user_id: UUID) -> tuple[Account, datetime] | None:
    """The user's account, held until the transaction ends, and the time; None without a user."""
    row = tx.execute(
        "SELECT status, tier, stripe_customer_id, stripe_subscription_id, trial_ends_at,"
        " clock_timestamp() FROM users WHERE id = %s FOR NO KEY UPDATE",
        (user_id,),
    ).fetchone()
    return (Account(*row[:5]), row[5]) if row else None


def write(tx: Tx, user_id: UUID, changed: dict[str, Any]) -> None:
    """Change columns of a user as billing, which is nobody's hold."""
    tx.execute("SELECT set_config('hopfleet.billing', 'on', true)")
    columns = ", ".join(f"{name} = %({name})s" for name in Account._fields if name in changed)
    tx.execute(f"UPDATE users SET {columns} WHERE id = %(id)s", {**changed, "id": user_id})
    tx.execute("SELECT set_config('hopfleet.billing', '', true)")


def grace_until(tx: Tx, user_id: UUID, at: datetime | None) -> None:
    """When the account has to be looked at again; None for never."""
    tx.execute(
        "UPDATE stripe_customers SET grace_ends_at = %(at)s WHERE user_id = %(user)s"
        " AND grace_ends_at IS DISTINCT FROM %(at)s",
        {"at": at, "user": user_id},
    )


_GRACE_OVER = "FROM stripe_customers WHERE grace_ends_at <= now() AND user_id IS NOT NULL"
_UNBOUND = (
    "FROM stripe_customers c WHERE c.user_id IS NULL AND c.deleted_at IS NULL"
    " AND EXISTS (SELECT FROM users u WHERE u.stripe_customer_id = c.customer_id)"
)
_LAPSED = (
    "FROM users WHERE status = 'trial' AND trial_ends_at <= now()"
    " AND stripe_subscription_id IS NULL"
)


def any_due(tx: Tx) -> bool:
    """Whether one of the three below has any; asked every other second."""
    row = tx.execute(
        f"SELECT EXISTS (SELECT {_GRACE_OVER}) OR EXISTS (SELECT {_UNBOUND})"
        f" OR EXISTS (SELECT {_LAPSED})"
    ).fetchone()
    return row is not None and bool(row[0])


def grace_over(tx: Tx, limit: int) -> list[UUID]:
    """Users whose time to pay is over."""
    rows = tx.execute(f"SELECT DISTINCT user_id {_GRACE_OVER} LIMIT %s", (limit,))
    return [row[0] for row in rows]


def unbound(tx: Tx, limit: int) -> list[str]:
    """Customers that are told of and have no user, although a user names them by now."""
    rows = tx.execute(f"SELECT c.customer_id {_UNBOUND} LIMIT %s", (limit,))
    return [row[0] for row in rows]


def lapsed(tx: Tx, limit: int) -> list[UUID]:
    """Users on a trial of ours that is over; Stripe itself tells when one of its trials ends."""
    rows = tx.execute(f"SELECT id {_LAPSED} ORDER BY trial_ends_at LIMIT %s", (limit,))
    return [row[0] for row in rows]


def bound_users(tx: Tx, after: UUID | None, limit: int) -> list[UUID]:
    """Users that have a customer, in the order of their ids."""
    rows = tx.execute(
        "SELECT DISTINCT user_id FROM stripe_customers WHERE user_id IS NOT NULL"
        " AND (%(after)s::uuid IS NULL OR user_id > %(after)s) ORDER BY user_id LIMIT %(limit)s",
        {"after": after, "limit": limit},
    )
    return [row[0] for row in rows]
