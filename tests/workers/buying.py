"""Buyers: what was sold to them, where their bonuses go, and what has become of these."""

import base64
from typing import Any
from uuid import UUID

from base.sealing import seal
from base.settings import settings
from db import deliveries
from db.connection import Tx, transaction
from db.deliveries import Sold
from tests import make
from tests.make import Made

ADA = "ada@example.com"


def sealed(address: str) -> bytes:
    """An address as rows hold it."""
    return seal(address.encode(), settings())


def sell(campaign: Made, receipt: str = "R1", buyer: str | None = ADA, **columns: Any) -> int:
    """A sale as the drain settles it; returns the order."""
    with transaction() as tx:
        order = make.insert(
            tx, "orders",
            {"user_id": campaign["user_id"], "receipt": receipt, "campaign_id": campaign["id"]}
            | columns,
        )  # fmt: skip
        told = base64.b64encode(sealed(buyer)).decode() if buyer else None
        deliveries.owe(
            tx,
            [
                Sold(
                    str(campaign["user_id"]), str(campaign["id"]), order["id"], receipt, "0" * 32,
                    told,
                )
            ],
        )  # fmt: skip
    return int(order["id"])


def refund(order_id: int) -> None:
    """The sale is taken back."""
    with transaction() as tx:
        deliveries.reverse(tx, [order_id])


def due_now(session: Tx) -> None:
    """What would be tried again later is due at once."""
    session.execute(
        "UPDATE bonus_deliveries SET next_attempt_at = now() WHERE state = 'pending'"
        " AND address IS NOT NULL"
    )


def states(session: Tx) -> list[tuple[Any, ...]]:
    """State and outcome, or reason, of all deliveries."""
    return session.execute(
        "SELECT state, coalesce(outcome, reason) FROM bonus_deliveries ORDER BY id"
    ).fetchall()


def attempts(session: Tx) -> list[tuple[Any, ...]]:
    """Outcome and code of all attempts."""
    return session.execute("SELECT outcome, code FROM delivery_attempts ORDER BY id").fetchall()


def counted(session: Tx, bonus_id: UUID) -> int:
    """What the bonus says it was delivered; fails when its rows say otherwise."""
    row = session.execute(
        "SELECT delivered_count, (SELECT count(*) FROM bonus_deliveries d"
        "  WHERE d.bonus_id = b.id AND d.delivered_at IS NOT NULL),"
        " last_delivered_at IS NOT DISTINCT FROM (SELECT max(delivered_at)"
        "  FROM bonus_deliveries d WHERE d.bonus_id = b.id) FROM bonuses b WHERE id = %s",
        (bonus_id,),
    ).fetchone()
    assert row is not None
    assert (row[0], row[2]) == (row[1], True)
    return int(row[0])
