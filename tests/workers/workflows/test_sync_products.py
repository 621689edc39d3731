"""The action that asks for the marketplace's feed."""

import pytest

from base.settings import settings
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


def test_an_address_with_a_password_never_becomes_a_row(
    session: Tx, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOPFLEET_FEED_URL", "https://me:secret@feeds.example/feed.zip")
    settings.cache_clear()
    run = fire(session, write(session, [{"name": "sync", "sync_products": {}}]))

    work(session)

    monkeypatch.undo()
    settings.cache_clear()
    assert session.execute("SELECT FROM product_syncs").fetchall() == []
    told = session.execute("SELECT last_error FROM workflow_runs WHERE id = %s", [run]).fetchone()
    assert "no name and password" in str(told)
