"""What a run asks PostgreSQL itself: copies of the database, rows counted and compared.

The one place of the benchmark with SQL, apart from `db/` on purpose: whoever is measured does
not hold the ruler.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import NamedTuple
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from base.clock import sleep, steady
from base.ids import time_of

_LINK = "https://hop.clickbank.net/?affiliate=bench&vendor=widgets&tid=c{}"
_POLL_SECONDS = 0.03
_COLUMNS = "user_id, campaign_id, event_type, source, metadata, revenue, created_at"
_USERS = 5
_CAMPAIGNS = 20

# The usual way's one statement for a notification: its message and its event, or nothing.
USUAL_USER = "SELECT id FROM users ORDER BY email LIMIT 1"
USUAL_PAYMENT = (
    "WITH fresh AS (INSERT INTO webhooks (state, source, external_id, type, receipt, body)"
    "  VALUES ('done', 'usual', %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING id)"
    " INSERT INTO analytics_events (user_id, event_type, source, metadata, revenue)"
    " SELECT %s::uuid, %s, 'clickbank', %s::jsonb, %s::numeric FROM fresh"
)


@dataclass(frozen=True)
class Difference:
    """Acked ids against stored ids; all three are 0 when nothing was lost or doubled."""

    missing: int  # acked, no row
    unexpected: int  # a row, never acked
    repeated: int  # rows beyond the first for one id

    @property
    def none(self) -> bool:
        """Whether stored equals acked exactly."""
        return not any(asdict(self).values())


class Payments(NamedTuple):
    """Payment events, those of them that found their campaign, and their revenue together."""

    events: int
    attributed: int
    revenue: Decimal


class Deliveries(NamedTuple):
    """Of one bonus: owed, delivered (link issued, or mail accepted), and its own counter."""

    owed: int
    delivered: int
    counted: int


@contextmanager
def session(url: str) -> Iterator["psycopg.Connection[tuple[object, ...]]"]:
    """A connection that commits every statement by itself."""
    with psycopg.connect(url, autocommit=True, application_name="bench") as connection:
        yield connection


def seed(url: str) -> list[str]:
    """Make a few users with active campaigns; their tracking ids."""
    ids = [f"bench{number:04d}" for number in range(_CAMPAIGNS)]
    with session(url) as connection:
        users = [
            connection.execute(
                "INSERT INTO users (email, password_hash, status)"
                " VALUES (%s, 'none', 'active') RETURNING id",
                [f"bench{number}@example.com"],
            ).fetchone()
            for number in range(_USERS)
        ]
        for number, tracking_id in enumerate(ids):
            owner = users[number % _USERS]
            assert owner is not None
            connection.execute(
                "INSERT INTO campaigns (user_id, name, status, affiliate_link, tracking_id)"
                " VALUES (%s, %s, 'active', %s, %s)",
                [owner[0], f"Bench {number}", _LINK.format(number), tracking_id],
            )
    return ids


def clone(url: str, name: str) -> str:
    """A copy of the database under another name, tables and rows; its address.

    Nobody may be connected to the original.
    """
    address = urlsplit(url)
    with session(address._replace(path="/postgres").geturl()) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(address.path.lstrip("/"))
            )
        )
    return address._replace(path=f"/{name}").geturl()


def settle(url: str) -> None:
    """Checkpoint, so that no run pays for the pages of the one before."""
    with session(url) as connection:
        connection.execute("CHECKPOINT")


def count(connection: "psycopg.Connection[tuple[object, ...]]") -> int:
    """Rows in `analytics_events`."""
    row = connection.execute("SELECT count(*) FROM analytics_events").fetchone()
    return int(str(row[0])) if row else 0


def rows(url: str) -> int:
    """Rows in `analytics_events` now."""
    with session(url) as connection:
        return count(connection)


def links_by_account(url: str) -> list[list[str]]:
    """The tracking ids of each account."""
    with session(url) as connection:
        found = connection.execute(
            "SELECT array_agg(tracking_id) FROM campaigns GROUP BY user_id ORDER BY user_id"
        ).fetchall()
    return [list(row[0]) for row in found]  # type: ignore[call-overload]


def clicks_by_account(url: str) -> dict[str, list[str]]:
    """The ids of all stored clicks by their account's e-mail address."""
    with session(url) as connection:
        found = connection.execute(
            "SELECT u.email, array_agg(e.metadata->>'click_id' ORDER BY e.id)"
            " FROM analytics_events e JOIN users u ON u.id = e.user_id"
            " WHERE event_type = 'click' GROUP BY u.email ORDER BY u.email"
        ).fetchall()
    return {str(row[0]): list(row[1]) for row in found}  # type: ignore[call-overload]


def payments(url: str) -> Payments:
    """What payments have become so far; events that are kept but do not count are left out."""
    with session(url) as connection:
        row = connection.execute(
            "SELECT count(*), count(campaign_id), coalesce(sum(revenue), 0) FROM analytics_events"
            " WHERE event_type IN ('conversion', 'rebill', 'refund')"
            " AND NOT metadata ? 'duplicate_of'"
        ).fetchone()
    assert row is not None
    return Payments(int(str(row[0])), int(str(row[1])), Decimal(str(row[2])))


def wait_for_payments(url: str, wanted: int, limit_seconds: float) -> float:
    """Wait until there are so many payment events; the seconds that took, at most the limit."""
    started = steady()
    while payments(url).events < wanted and steady() - started < limit_seconds:
        sleep(_POLL_SECONDS)
    return steady() - started


def owner_of(url: str, tracking_id: str) -> str:
    """The e-mail address of a campaign's user."""
    with session(url) as connection:
        row = connection.execute(
            "SELECT email FROM users u JOIN campaigns c ON c.user_id = u.id"
            " WHERE tracking_id = %s", [tracking_id],
        ).fetchone()  # fmt: skip
    assert row is not None
    return str(row[0])


def deliveries(url: str, bonus_id: str) -> Deliveries:
    """How far a bonus has got."""
    with session(url) as connection:
        row = connection.execute(
            "SELECT count(d.id), count(d.delivered_at), max(b.delivered_count) FROM bonuses b"
            " LEFT JOIN bonus_deliveries d ON d.bonus_id = b.id WHERE b.id = %s",
            [bonus_id],
        ).fetchone()
    assert row is not None
    return Deliveries(*(int(str(each)) for each in row))


def seconds_to_deliver(url: str, bonus_id: str) -> float:
    """From the moment their queue was resumed until the last delivery of a bonus."""
    with session(url) as connection:
        row = connection.execute(
            "SELECT extract(epoch FROM max(delivered_at) - (SELECT since FROM queue_controls"
            "  WHERE queue = 'bonuses')) FROM bonus_deliveries WHERE bonus_id = %s",
            [bonus_id],
        ).fetchone()
    assert row is not None
    return float(str(row[0]))


def transactions(url: str) -> int:
    """Transactions that the database has seen, as its statistics say; a second late."""
    with session(url) as connection:
        row = connection.execute(
            "SELECT xact_commit + xact_rollback FROM pg_stat_database"
            " WHERE datname = current_database()"
        ).fetchone()
    return int(str(row[0])) if row else 0


def upkeep(url: str) -> dict[str, int]:
    """How often PostgreSQL has written checkpoints and vacuumed or analysed by itself."""
    with session(url) as connection:
        version = connection.info.server_version
        checkpoints = (
            "SELECT num_timed + num_requested FROM pg_stat_checkpointer"
            if version >= 170_000
            else "SELECT checkpoints_timed + checkpoints_req FROM pg_stat_bgwriter"
        )
        row = connection.execute(
            f"SELECT ({checkpoints}), sum(autovacuum_count), sum(autoanalyze_count)"
            " FROM pg_stat_user_tables"
        ).fetchone()
    written, vacuums, analyses = (int(str(count or 0)) for count in row or (0, 0, 0))
    return {"checkpoints": written, "autovacuums": vacuums, "autoanalyses": analyses}


def wait_for_rows(url: str, wanted: int, limit_seconds: float) -> tuple[int, float]:
    """Wait until there are `wanted` rows; (rows then, seconds waited), at most the limit."""
    started = steady()
    with session(url) as connection:
        while True:
            rows, waited = count(connection), steady() - started
            if rows >= wanted or waited > limit_seconds:
                return rows, waited
            sleep(_POLL_SECONDS)


def compare(url: str, acked: bytes) -> Difference:
    """Hold the acked click ids (32 bytes each) against those in the rows' metadata."""
    open_ids = {acked[at : at + 32] for at in range(0, len(acked), 32)}
    promised = len(open_ids)
    stored: set[bytes] = set()
    repeated = len(acked) // 32 - promised  # one id acked twice is as wrong as one stored twice
    with session(url) as connection, connection.cursor() as cursor:
        statement = "COPY (SELECT metadata->>'click_id' FROM analytics_events) TO STDOUT"
        with cursor.copy(statement) as rows:
            for row in rows:
                click_id = bytes(row).rstrip(b"\n")
                if click_id in open_ids:
                    open_ids.discard(click_id)
                    stored.add(click_id)
                elif click_id in stored:
                    repeated += 1
                else:
                    stored.add(click_id)
    unexpected = len(stored) - (promised - len(open_ids))
    return Difference(missing=len(open_ids), unexpected=unexpected, repeated=repeated)


def is_visible(connection: "psycopg.Connection[tuple[object, ...]]", click_id: str) -> bool:
    """Whether the row of this click can be seen; found through the index on `created_at`."""
    row = connection.execute(
        "SELECT 1 FROM analytics_events WHERE created_at >= %s"
        " AND created_at < %s + interval '1 ms' AND metadata->>'click_id' = %s",
        [time_of(click_id), time_of(click_id), click_id],
    ).fetchone()
    return row is not None


def lines(url: str, most: int) -> list[bytes]:
    """Up to `most` rows as lines of COPY's text format, in the order they were stored."""
    with session(url) as connection, connection.cursor() as cursor:
        statement = f"COPY (SELECT {_COLUMNS} FROM analytics_events ORDER BY id LIMIT {most})"
        with cursor.copy(f"{statement} TO STDOUT") as rows:
            return [bytes(row) for row in rows]


def copy_in(connection: "psycopg.Connection[tuple[object, ...]]", block: bytes) -> None:
    """Write a block of such lines, in a transaction of its own."""
    statement = f"COPY analytics_events ({_COLUMNS}) FROM STDIN"
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(block)


def empty(url: str) -> None:
    """Remove all events."""
    with session(url) as connection:
        connection.execute("TRUNCATE analytics_events")


def forget_payments(url: str) -> None:
    """Remove all events and all that was kept of payments."""
    with session(url) as connection:
        connection.execute("TRUNCATE analytics_events, webhooks, orders CASCADE")
