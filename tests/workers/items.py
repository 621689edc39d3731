"""Items as doors make them, batches of them, and the rows they become."""

from typing import Any
from uuid import UUID

from psycopg.rows import dict_row

from base.clock import wall_ms
from db.connection import Tx
from journal.appends import Batch
from journal.claims import Claimed
from journal.streams import Kind
from schemas.items import Item, pack
from tests.journal import putting
from tests.make import batch_id


def item(user: UUID, campaign: UUID | None = None, **more: Any) -> Item:
    """A click, just now, by a browser."""
    made: Any = {"id": batch_id(), "type": "click", "user": str(user), "meta": {"ua": "x"}}
    if campaign is not None:
        made["campaign"] = str(campaign)
    return made | more  # type: ignore[no-any-return]


def sale(user: UUID, amount: str = "10.00", **more: Any) -> Item:
    """A conversion, just now."""
    usual = {"type": "conversion", "amount": amount, "currency": "USD"}
    return item(user, **(usual | more))


def batch(*items: Any, kind: Kind = Kind.CLICKS, **more: Any) -> Batch:
    """A batch of these, as it stands in the journal."""
    return putting.batch(pack(list(items)), kind=kind, count=len(items), **more)


def claimed(*items: Any, ms: int | None = None, **more: Any) -> Claimed:
    """A batch of these as a worker has it in hand."""
    made = batch(*items, ms=ms)
    usual: dict[str, Any] = {"entry": b"%d-0" % wall_ms(), "id": made.id, "count": made.count,
             "version": made.version, "body": made.body}  # fmt: skip
    return Claimed(**usual | more)


def rows(session: Tx) -> list[dict[str, Any]]:
    """All events, in the order of their ids, with the click id as `click_id`."""
    with session.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            "SELECT *, metadata->>'click_id' AS click_id FROM analytics_events ORDER BY id"
        ).fetchall()


def held(session: Tx, state: str = "dead") -> list[tuple[int, str | None]]:
    """What is held in this state: position and reason, in the order of positions."""
    return session.execute(
        "SELECT position, reason FROM held_events WHERE state = %s ORDER BY position", (state,)
    ).fetchall()
