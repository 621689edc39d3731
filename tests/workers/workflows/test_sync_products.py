"""The action that asks for the marketplace's feed."""

from db.connection import Tx
from tests.workers.workflows.test_running import fire, session, work, write

__all__ = ["session"]


def test_a_sync_of_products_is_asked_for_once_in_ten_minutes(session: Tx) -> None:
    first = fire(session, write(session, [{"name": "sync", "sync_products": {}}]))
    second = fire(session, write(session, [{"name": "sync", "sync_products": {}}]))

    work(session)

    asked = session.execute("SELECT id::text, state, asked_by FROM product_syncs").fetchall()
    assert [row[1:] for row in asked] == [("pending", "workflow")]
    told = session.execute(
        "SELECT output FROM workflow_steps WHERE run_id = ANY(%s) ORDER BY run_id",
        ([first, second],),
    ).fetchall()
    assert told == [
        ({"sync": asked[0][0], "asked": True},),
        ({"sync": asked[0][0], "asked": False},),
    ]
