"""Deliveries: which bonus is owed for which order, and how far it has got."""

import base64
import binascii
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from db.connection import Tx
from db.table import At, Base, CreatedAt, Str20, Str32, Str255, Word
from db.work import NEVER, WorkRow


class BonusDelivery(WorkRow, Base):
    """One bonus that a buyer is owed; the row stays for ever, as long as its order does.

    `kind` says what is to be done next: `email` hands a mail to a server, `download` issues a
    link. `lane` is the mail server's host, empty for the installation's: a slow one holds up its
    own lane. `address` is the buyer's, sealed, and only its digest once it has been delivered.
    `repeats` counts how often a buyer asked again, `tries` how often the present mail was tried.
    A revoked one was refunded: its link has ended. Bonus and campaign have no keys: both may be
    deleted, and whoever is doing so must not hold up money.
    """

    __tablename__ = "bonus_deliveries"
    __table_args__ = (
        CheckConstraint("state IN ('pending', 'running', 'done', 'dead')", name="state"),
        UniqueConstraint("order_id", "bonus_id"),
        Index(
            "idx_bonus_deliveries_due", "kind", "lane", "next_attempt_at",
            postgresql_where=text("state = 'pending'"),
        ),
        Index(
            "idx_bonus_deliveries_next", "kind", "next_attempt_at",
            postgresql_where=text("state = 'pending'"),
        ),
        Index(
            "idx_bonus_deliveries_state", "state", "next_attempt_at",
            postgresql_where=text("state <> 'done'"),
        ),
    )  # fmt: skip

    kind: Mapped[Str20]
    lane: Mapped[Word] = mapped_column(server_default="")
    user_id: Mapped[UUID]
    campaign_id: Mapped[UUID]
    bonus_id: Mapped[UUID]
    order_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("orders.id", ondelete="CASCADE"))
    receipt: Mapped[Str255]
    event_id: Mapped[Str32 | None]
    address: Mapped[bytes | None] = mapped_column(LargeBinary)
    address_digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    repeats: Mapped[int] = mapped_column(server_default=text("0"))
    tries: Mapped[int] = mapped_column(server_default=text("0"))
    delivered_at: Mapped[At | None]
    revoked_at: Mapped[At | None]
    created_at: Mapped[CreatedAt]


class Sold(NamedTuple):
    """A counted sale whose buyer is owed the campaign's bonuses; ids as text.

    `buyer` is the e-mail address as items carry it: sealed, base64; None when nobody told it.
    """

    user_id: str
    campaign_id: str
    order_id: int
    receipt: str
    event_id: str
    buyer: str | None = None


# Of a bonus `b`: what is to be done for it, and in which lane.
_KIND = "CASE WHEN b.delivery_method = 'download' THEN 'download' ELSE 'email' END"
_LANE = (
    "CASE WHEN b.delivery_method = 'download' THEN ''"
    " ELSE lower(coalesce(b.metadata #>> '{smtp,host}', '')) END"
)
_OWE = f"""
    INSERT INTO bonus_deliveries AS owed (kind, lane, user_id, campaign_id, bonus_id, order_id,
        receipt, event_id, address, next_attempt_at)
    SELECT {_KIND}, {_LANE},
        sold.user_id, sold.campaign_id, b.id, sold.order_id, sold.receipt, sold.event_id,
        sold.buyer, CASE WHEN sold.buyer IS NULL THEN %(never)s ELSE statement_timestamp() END
    FROM unnest(%(user)s::uuid[], %(campaign)s::uuid[], %(order)s::bigint[], %(receipt)s::varchar[],
            %(event)s::varchar[], %(buyer)s::bytea[])
        AS sold (user_id, campaign_id, order_id, receipt, event_id, buyer)
    JOIN bonuses b ON b.campaign_id = sold.campaign_id AND b.is_active
        AND (%(only)s::text IS NULL OR b.id::text = lower(%(only)s) OR b.name = %(only)s)
    ORDER BY sold.order_id, b.id
    ON CONFLICT (order_id, bonus_id) DO UPDATE
        SET address = EXCLUDED.address, next_attempt_at = EXCLUDED.next_attempt_at
        WHERE EXCLUDED.address IS NOT NULL AND owed.address IS NULL
            AND owed.state = 'pending' AND owed.delivered_at IS NULL
    RETURNING xmax = 0
"""
# Their receipts have become sales: whoever looks after claims looks now, not at their next turn.
_WAKE = """
    UPDATE bonus_claims SET next_attempt_at = statement_timestamp() WHERE id IN (
        SELECT c.id FROM unnest(%(user)s::uuid[], %(receipt)s::varchar[]) AS sold (user_id, receipt)
        JOIN bonus_claims c ON c.user_id = sold.user_id AND c.folded = upper(sold.receipt)
        WHERE c.state = 'pending' ORDER BY c.id FOR NO KEY UPDATE OF c)
"""


def owe(tx: Tx, sold: Iterable[Sold]) -> int:
    """Write what these sales' buyers are owed; returns how many deliveries are new.

    May be told of a sale again: an address that was missing is then taken over. The caller holds
    the orders.
    """
    rows = list(
        {one.order_id: one for one in sorted(sold, key=lambda one: one.buyer or "")}.values()
    )
    if not rows:
        return 0
    giving = _with_bonus(tx, {one.campaign_id for one in rows})
    owing = [one for one in rows if one.campaign_id in giving]
    new = sum(row[0] for row in tx.execute(_OWE, _values(owing))) if owing else 0
    tx.execute(_WAKE, _values(rows))
    return new


def owe_one(tx: Tx, sold: Sold, bonus: str | None) -> int | None:
    """Owe what a sale's campaign gives: all of it, or one bonus, by id or name.

    Returns how many deliveries are new; None when the campaign has no such active bonus.
    """
    row = tx.execute(
        "SELECT count(*) FROM bonuses WHERE campaign_id = %(campaign)s::uuid AND is_active"
        " AND (%(bonus)s::text IS NULL OR id::text = lower(%(bonus)s) OR name = %(bonus)s)",
        {"campaign": sold.campaign_id, "bonus": bonus},
    ).fetchone()
    if row is None or not row[0]:
        return None
    return sum(bool(found[0]) for found in tx.execute(_OWE, {**_values([sold]), "only": bonus}))


def _values(rows: list[Sold]) -> dict[str, object]:
    return {
        "user": [one.user_id for one in rows],
        "campaign": [one.campaign_id for one in rows],
        "order": [one.order_id for one in rows],
        "receipt": [one.receipt for one in rows],
        "event": [one.event_id for one in rows],
        "buyer": [_sealed(one.buyer) for one in rows],
        "never": NEVER,
        "only": None,
    }


def _with_bonus(tx: Tx, campaign_ids: set[str]) -> set[str]:
    """Those of these campaigns that give one: most sales owe nothing, and cost nothing then."""
    rows = tx.execute(
        "SELECT DISTINCT campaign_id::text FROM bonuses"
        " WHERE campaign_id = ANY(%s::uuid[]) AND is_active",
        (list(campaign_ids),),
    )
    return {row[0] for row in rows}


def _sealed(buyer: str | None) -> bytes | None:
    """The sealed address; one that is no base64 is as good as none."""
    try:
        return base64.b64decode(buyer, validate=True) if buyer else None
    except (binascii.Error, ValueError):
        return None


def reverse(tx: Tx, order_ids: Iterable[int]) -> None:
    """Take back what these orders' buyers are owed: cancelled, or its link revoked.

    What is being sent this moment cannot be held: it is revoked, and nothing follows it. Counts
    of what was delivered stay. The caller holds the orders.
    """
    wanted = list(order_ids)
    if not wanted:
        return
    tx.execute(
        "UPDATE bonus_deliveries AS owed SET revoked_at = statement_timestamp(),"
        " state = CASE WHEN owed.state = 'running' THEN owed.state ELSE 'done' END,"
        " outcome = CASE WHEN owed.state = 'running' THEN owed.outcome"
        "  WHEN owed.delivered_at IS NULL THEN 'cancelled' ELSE 'delivered' END,"
        " address = CASE WHEN owed.state = 'running' THEN owed.address END,"
        " reason = NULL, lease_until = CASE WHEN owed.state = 'running' THEN owed.lease_until END"
        " FROM (SELECT id FROM bonus_deliveries WHERE order_id = ANY(%s::bigint[])"
        "  AND revoked_at IS NULL ORDER BY id FOR NO KEY UPDATE) AS mine WHERE owed.id = mine.id",
        (wanted,),
    )


class Waiting(NamedTuple):
    """A delivery of an order that is held, as a claim finds it."""

    id: int
    order_id: int
    state: str
    reason: str | None
    address: bytes | None
    address_digest: bytes | None
    repeats: int
    delivered_at: datetime | None
    revoked_at: datetime | None


def hold(tx: Tx, order_ids: Iterable[int]) -> list[Waiting]:
    """All deliveries of these orders, ours until we commit; the caller holds the orders."""
    rows = tx.execute(
        f"SELECT {', '.join(Waiting._fields)} FROM bonus_deliveries"
        " WHERE order_id = ANY(%s::bigint[]) ORDER BY id FOR NO KEY UPDATE",
        (list(order_ids),),
    )
    return [Waiting(*row) for row in rows]


def send_to(tx: Tx, addresses: dict[int, bytes], *, again: bool) -> None:
    """Have deliveries that are held go to these sealed addresses, at once.

    `again` counts it as a repeat. What is on its way this moment is left alone.
    """
    if addresses:
        tx.execute(
            "UPDATE bonus_deliveries AS owed SET address = told.address, state = 'pending',"
            f" kind = {_KIND}, lane = {_LANE},"
            " outcome = NULL, reason = NULL, tries = 0, repeats = owed.repeats + %s,"
            " next_attempt_at = statement_timestamp()"
            " FROM unnest(%s::bigint[], %s::bytea[]) AS told (id, address), bonuses b"
            " WHERE owed.id = told.id AND owed.state <> 'running' AND b.id = owed.bonus_id",
            (int(again), list(addresses), list(addresses.values())),
        )


class Owed(NamedTuple):
    """How far a delivery is, as people are shown it.

    `state`: `waiting` (for an address), `pending`, `running`, `delivered`, `revoked` (delivered,
    then refunded), `cancelled` (refunded before), `bonus_gone`, `dead`.
    """

    id: int
    order_id: int
    bonus_id: UUID
    state: str
    delivered_at: datetime | None
    reason: str | None
    last_error: str | None
    downloads: int


_STATE = (
    "CASE WHEN d.delivered_at IS NOT NULL AND d.revoked_at IS NOT NULL THEN 'revoked'"
    " WHEN d.delivered_at IS NOT NULL THEN 'delivered' WHEN d.state = 'done' THEN d.outcome"
    " WHEN d.state = 'pending' AND d.address IS NULL THEN 'waiting' ELSE d.state END"
)


def of_orders(tx: Tx, order_ids: Iterable[int]) -> list[Owed]:
    """All deliveries of these orders, in the order they were owed."""
    rows = tx.execute(
        f"SELECT d.id, d.order_id, d.bonus_id, {_STATE}, d.delivered_at, d.reason, d.last_error,"
        "  (SELECT count(*) FROM bonus_downloads n WHERE n.delivery_id = d.id)"
        " FROM bonus_deliveries d WHERE d.order_id = ANY(%s::bigint[]) ORDER BY d.id",
        (list(order_ids),),
    )
    return [Owed(*row) for row in rows]


def forget(tx: Tx, days: int, limit: int) -> int:
    """Erase the addresses of dead letters that nobody has replayed for so long; returns how many.

    The rows stay for ever, and say what had become of them.
    """
    done = tx.execute(
        "UPDATE bonus_deliveries SET address = NULL WHERE id IN (SELECT id FROM bonus_deliveries"
        "  WHERE state = 'dead' AND address IS NOT NULL"
        "  AND next_attempt_at < now() - make_interval(days => %s) ORDER BY id LIMIT %s)",
        (days, limit),
    )
    return done.rowcount
