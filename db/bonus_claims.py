"""Claims: buyers who say where their bonus is to go, with the receipt they have paid for."""

from collections.abc import Iterable
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from db import work
from db.connection import Tx
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


class Told(NamedTuple):
    """A claim as a door took it; ids as text, `address` sealed."""

    item_id: str
    user_id: str
    campaign_id: str
    receipt: str
    address: bytes
    network: str


_MOST_OF_RECEIPT = 10  # a day: buyers ask again, but not so often
_MOST_OF_NETWORK = 100  # an hour, at one user's claims
# What is beyond the limits is kept without its address, so that it can be seen, and does nothing.
_TAKE = """
    WITH told AS (
        SELECT *, upper(receipt) AS folded,
            row_number() OVER (PARTITION BY user_id, upper(receipt) ORDER BY item_id) AS of_receipt,
            row_number() OVER (PARTITION BY user_id, network ORDER BY item_id) AS of_network
        FROM unnest(%s::varchar[], %s::uuid[], %s::uuid[], %s::varchar[], %s::bytea[],
            %s::varchar[]) AS one (item_id, user_id, campaign_id, receipt, address, network)
    ), judged AS (
        SELECT told.*, of_receipt + (SELECT count(*) FROM bonus_claims c
                WHERE c.user_id = told.user_id AND c.folded = told.folded
                AND c.created_at > now() - interval '1 day') > %s
            OR (network <> '' AND of_network + (SELECT count(*) FROM bonus_claims c
                WHERE c.user_id = told.user_id AND c.network = told.network AND c.network <> ''
                AND c.created_at > now() - interval '1 hour') > %s) AS beyond
        FROM told
    )
    INSERT INTO bonus_claims (item_id, user_id, campaign_id, receipt, folded, address, network,
        state, outcome)
    SELECT item_id, user_id, campaign_id, receipt, folded, CASE WHEN NOT beyond THEN address END,
        network, CASE WHEN beyond THEN 'done' ELSE 'pending' END,
        CASE WHEN beyond THEN 'limited' END
    FROM judged ORDER BY item_id ON CONFLICT (item_id) DO NOTHING RETURNING item_id
"""


def take(tx: Tx, told: Iterable[Told]) -> set[str]:
    """Keep claims whose users are held; returns the item ids of those not seen before."""
    rows = list(told)
    if not rows:
        return set()
    columns: list[Any] = [list(column) for column in zip(*rows, strict=True)]
    made = tx.execute(_TAKE, [*columns, _MOST_OF_RECEIPT, _MOST_OF_NETWORK])
    return {row[0] for row in made}


class ClaimRow(NamedTuple):
    """A claim that is being looked at; `age_seconds` by the database's clock."""

    id: int
    attempts: int
    user_id: str
    campaign_id: str
    receipt: str
    folded: str
    address: bytes | None
    age_seconds: float


def claim(tx: Tx, limit: int, lease_seconds: float) -> list[ClaimRow]:
    """Take claims that are due."""
    rows = work.claim(tx, BonusClaim, limit, lease_seconds)
    ages = tx.execute(
        "SELECT id, extract(epoch FROM statement_timestamp() - created_at)::float8"
        " FROM bonus_claims WHERE id = ANY(%s)",
        ([row["id"] for row in rows],),
    )
    age = {row[0]: row[1] for row in ages}
    return [
        ClaimRow(
            row["id"], row["attempts"], str(row["user_id"]), str(row["campaign_id"]),
            row["receipt"], row["folded"], row["address"], age[row["id"]],
        )
        for row in rows
    ]  # fmt: skip


def end(tx: Tx, claimed: ClaimRow, outcome: str, order_id: int | None = None) -> None:
    """A claim is over; `order_id` when it holds. Its address goes."""
    if work.finish(tx, BonusClaim, claimed.id, claimed.attempts, outcome):
        tx.execute(
            "UPDATE bonus_claims SET address = NULL, order_id = %s WHERE id = %s",
            (order_id, claimed.id),
        )


def wait(tx: Tx, waits: Iterable[tuple[int, int, float | None]]) -> None:
    """Claims without a sale, as (id, attempts, seconds to the next look; None: they are over)."""
    rows = sorted(waits)
    if not rows:
        return
    columns = [list(column) for column in zip(*rows, strict=True)]
    tx.execute(
        "UPDATE bonus_claims AS c SET lease_until = NULL,"
        " state = CASE WHEN told.seconds IS NULL THEN 'done' ELSE 'pending' END,"
        " outcome = CASE WHEN told.seconds IS NULL THEN 'expired' END,"
        " address = CASE WHEN told.seconds IS NOT NULL THEN c.address END,"
        " next_attempt_at = clock_timestamp() + make_interval(secs => coalesce(told.seconds, 0))"
        " FROM unnest(%s::bigint[], %s::int[], %s::float8[]) AS told (id, attempts, seconds)"
        " WHERE c.id = told.id AND c.attempts = told.attempts AND c.state = 'running'",
        columns,
    )


def prune(tx: Tx, days: int, limit: int) -> int:
    """Delete claims that have been over for so long; returns how many."""
    done = tx.execute(
        "DELETE FROM bonus_claims WHERE id IN (SELECT id FROM bonus_claims WHERE state = 'done'"
        " AND created_at < now() - make_interval(days => %s) ORDER BY created_at LIMIT %s)",
        (days, limit),
    )
    return done.rowcount
