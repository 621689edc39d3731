"""Payments as doors tell them, and what became of them."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from base.clock import now, wall_ms
from base.ids import uuid7_hex
from db.connection import Tx, transaction
from journal.streams import Kind
from tests import make
from tests.workers.items import claimed, item, rows
from workers.outcome import Outcome
from workers.store import store

INS = {"door": "clickbank", "integration": str(UUID(int=1))}
POSTBACK = {"door": "postback", "integration": str(UUID(int=1))}
PIXEL = {"door": "p"}
API = {"door": "events"}
MINUTE = 60_000


def tell(*items: Any, kind: Kind = Kind.CONVERSIONS) -> Outcome:
    """Store items, each in a transaction of its own; returns the last outcome."""
    for one in items:
        outcome = Outcome(kind)
        with transaction() as tx:
            store(tx, kind, [claimed(one)], now(), outcome)
    return outcome


def clicked(campaign: make.Made, minutes_ago: int = 5, **more: Any) -> str:
    """A stored click's id."""
    click = item(campaign["user_id"], campaign["id"],
                 id=uuid7_hex(wall_ms() - minutes_ago * MINUTE), door="r", **more)  # fmt: skip
    tell(click, kind=Kind.CLICKS)
    return click["id"]


def paid(session: Tx, *columns: str) -> list[Any]:
    """The events that are no clicks, in the order of their ids, by these columns."""
    found = [row for row in rows(session) if row["event_type"] != "click"]
    return [tuple(row[name] for name in columns) if len(columns) > 1 else row[columns[0]]
            for row in found]  # fmt: skip


def total(session: Tx) -> Decimal:
    return sum((one for one in paid(session, "revenue") if one is not None), Decimal(0))


def ledger(session: Tx) -> list[str]:
    found = session.execute("SELECT verdict FROM receipts ORDER BY id").fetchall()
    return [row[0] for row in found]
