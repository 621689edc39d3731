"""Syncs from ClickBank's API, for tests: accounts, what they sold, and what became of products."""

from typing import Any

from psycopg.rows import dict_row

from db.connection import Tx, transaction
from db.product_syncs import API
from tests import make
from tests import notifications as told
from tests.clickbank_fake import KEY
from workers.products import syncing
from workers.products.syncing import Report

AFFILIATE = "affiliate/vendor"


def sold(refunds: str = "6.25", sales: int = 400, **more: Any) -> dict[str, Any]:
    return {"REFUND_RATE": refunds, "GROSS_SALE_COUNT": sales, "CHARGEBACK_RATE": "0.50", **more}


def account(session: Tx, key: str = KEY, nickname: str | None = "mynick") -> Any:
    """A user with a ClickBank account; returns the user."""
    user = make.user(session)
    chosen = {"nickname": nickname} if nickname else {}
    told.connect(session, user["id"], "SECRET", chosen, api_key=key)
    return user


def sync(asked_by: str = "command") -> Report:
    with transaction() as tx:
        asked = syncing.ask(tx, API, None, is_forced=False, asked_by=asked_by)
    return syncing.run(asked)


def counts(report: Report) -> tuple[int, ...]:
    return (report.seen, report.inserted, report.updated, report.unchanged)


def product(session: Tx, clickbank_id: str) -> dict[str, Any]:
    with session.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            "SELECT * FROM products WHERE clickbank_id = %s", [clickbank_id]
        ).fetchone()
    assert row is not None
    return row


def places(session: Tx) -> list[Any]:
    return session.execute(
        "SELECT 'p', clickbank_id, ctid::text, xmin::text FROM products"
        " UNION ALL SELECT 's', clickbank_id, ctid::text, xmin::text FROM product_states"
        " UNION ALL SELECT 'v', role || name, ctid::text, xmin::text FROM vendor_sales"
        " ORDER BY 1, 2"
    ).fetchall()
