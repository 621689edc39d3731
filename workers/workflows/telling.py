"""Telling: facts are written in the transaction that causes them, where somebody listens."""

from collections.abc import Sequence

from db import workflow_events
from db.connection import Tx
from db.workflow_events import Fact
from schemas.workflow_events import Kind
from workers.outcome import Found
from workers.workflows import happened


def clicks(tx: Tx, stored: Sequence[Found]) -> int:
    """Tell of people's clicks that were just stored; returns of how many."""
    if not any(one.row[2] == "click" for one in stored if one.row):
        return 0
    if not workflow_events.is_heard(tx, Kind.CLICK):
        return 0
    users = {one.row[0] for one in stored if one.row and one.row[2] == "click"}
    heard = {user for _, user in workflow_events.listening(tx, [Kind.CLICK], users)}
    facts = [
        fact
        for one in stored
        if one.row and one.row[2] == "click" and one.row[0] in heard
        and (fact := happened.click(one)) is not None
    ]  # fmt: skip
    workflow_events.add(tx, facts)
    return len(facts)


def payments(tx: Tx, facts: Sequence[Fact]) -> int:
    """Tell of payments that have just become certain; returns of how many."""
    if not facts:
        return 0
    heard = workflow_events.listening(
        tx, {one.kind for one in facts}, {one.user_id for one in facts}
    )
    told = [one for one in facts if (one.kind, one.user_id) in heard]
    workflow_events.add(tx, told)
    return len(told)
