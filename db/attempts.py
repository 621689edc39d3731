"""Attempts: each try to hand a bonus's mail to a server, written down before it is made."""

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import BigInteger, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from db.connection import Tx
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


class Try(NamedTuple):
    """A mail that is going to be tried: which, the how-manyeth claim of it, and where."""

    delivery_id: int
    attempt: int
    repeat: int
    server: str


def begin(tx: Tx, tries: Iterable[Try]) -> dict[int, int]:
    """Write down that these are being tried; returns the attempt's id by delivery."""
    rows = list(tries)
    if not rows:
        return {}
    columns = [list(column) for column in zip(*rows, strict=True)]
    tx.execute(
        "UPDATE bonus_deliveries SET tries = tries + 1 WHERE id = ANY(%s::bigint[])", (columns[0],)
    )
    made = tx.execute(
        "INSERT INTO delivery_attempts (delivery_id, attempt, repeat, server)"
        " SELECT * FROM unnest(%s::bigint[], %s::int[], %s::int[], %s::varchar[])"
        " RETURNING delivery_id, id",
        columns,
    )
    return {row[0]: row[1] for row in made}


class Ended(NamedTuple):
    """What became of an attempt."""

    id: int
    outcome: str
    code: int | None
    said: str


def end(tx: Tx, ended: Iterable[Ended]) -> None:
    """Write down what became of attempts."""
    rows = sorted(ended)
    if rows:
        columns = [list(column) for column in zip(*rows, strict=True)]
        tx.execute(
            "UPDATE delivery_attempts AS a SET outcome = told.outcome, code = told.code,"
            " said = told.said, ended_at = clock_timestamp()"
            " FROM unnest(%s::bigint[], %s::varchar[], %s::int[], %s::text[])"
            " AS told (id, outcome, code, said) WHERE a.id = told.id",
            columns,
        )


def abandoned(tx: Tx, delivery_ids: Iterable[int]) -> set[int]:
    """Deliveries whose last attempt has no outcome, since its worker died; it gets `unknown`."""
    rows = tx.execute(
        "UPDATE delivery_attempts SET outcome = 'unknown', ended_at = clock_timestamp(),"
        " said = 'the worker did not come back'"
        " WHERE delivery_id = ANY(%s::bigint[]) AND outcome IS NULL RETURNING delivery_id",
        (list(delivery_ids),),
    )
    return {row[0] for row in rows}


def unknown(tx: Tx, delivery_ids: Iterable[int]) -> dict[int, int]:
    """How many attempts at the present mail of each delivery have an unknown outcome."""
    rows = tx.execute(
        "SELECT a.delivery_id, count(*) FROM delivery_attempts a"
        " JOIN bonus_deliveries d ON d.id = a.delivery_id AND d.repeats = a.repeat"
        " WHERE a.delivery_id = ANY(%s::bigint[]) AND a.outcome = 'unknown' GROUP BY 1",
        (list(delivery_ids),),
    )
    return {row[0]: row[1] for row in rows}
