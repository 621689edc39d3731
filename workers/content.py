"""Content: posts are published when their time has come, each in one transaction.

Whoever wrote the row: triggers keep the list of what is due. A post that the database refuses,
for another application may have triggers of its own, is tried alone and holds up no other.
"""

from collections.abc import Iterable

import psycopg
from psycopg.errors import QueryCanceled

from base.errors import Permanent
from base.logs import log
from db import publications
from db.connection import Tx, transaction
from db.publications import Due
from workers import controls
from workers.broker import actor
from workers.queues import Queue
from workers.stopping import stopping

CHUNK = 200
WAKE = 5_000
ALONE = 20  # of those refused before, between two looks at what is due for the first time
CHUNK_SECONDS = 1.0  # what a foreign trigger may take of the others' time
ALONE_SECONDS = 3.0
DELAYS_SECONDS = [5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 3 * 3600.0]
LIMIT_SECONDS = 15.0
_MOST_CHUNKS = 500  # a run; the sweep comes back within a second


class Vetoed(Permanent):
    """A foreign trigger took no notice of a post's being published, and said nothing."""


@actor("content.publish", queue=Queue.CONTENT, time_limit_seconds=120)
def publish() -> None:
    """Publish what is due; may run many times at once, or twice."""
    for _ in range(_MOST_CHUNKS):
        if stopping() or not controls.may_claim(Queue.CONTENT):
            return
        if not (_wake() + _fresh() + _refused()):
            return


def _wake() -> bool:
    """Posts of a user whose suspension ended are looked at again, a chunk of them."""
    with transaction(limit_seconds=LIMIT_SECONDS) as tx:
        return publications.wake(tx, WAKE) is not None


def _fresh() -> int:
    """A chunk of posts in one transaction, or each alone when that will not do."""
    due: list[Due] = []
    try:
        with transaction(limit_seconds=LIMIT_SECONDS) as tx:
            publications.limit(tx, CHUNK_SECONDS)
            due = publications.fresh(tx, CHUNK)
            _carry_out(tx, due)
    except (Vetoed, psycopg.Error) as error:
        if not due or _is_outage(error):
            raise
        return sum(_alone(one.id) for one in due)
    if due:
        log().debug("content.published", posts=sum(one.what == "publish" for one in due))
    return len(due)


def _refused() -> int:
    with transaction(limit_seconds=LIMIT_SECONDS) as tx:
        rows = publications.refused(tx, ALONE)
    return sum(_alone(row_id) for row_id in rows)


def _alone(row_id: int) -> int:
    """One post; counts its refusal. 0 when somebody else has it, or the queue was stopped."""
    if stopping() or not controls.may_claim(Queue.CONTENT):
        return 0
    try:
        with transaction(limit_seconds=LIMIT_SECONDS) as tx:
            publications.limit(tx, ALONE_SECONDS)
            due = publications.one(tx, row_id)
            _carry_out(tx, [due] if due else [])
        return int(due is not None)
    except (Vetoed, psycopg.Error) as error:
        if _is_outage(error):
            raise
        _count(row_id, error)
        return 1


def _carry_out(tx: Tx, due: Iterable[Due]) -> None:
    by_what: dict[str, list[Due]] = {}
    for one in due:
        by_what.setdefault(one.what, []).append(one)
    if going := by_what.get("publish"):
        for depth in sorted({one.depth for one in going}):
            publications.publish(tx, [one.content_id for one in going if one.depth == depth], depth)
        if publications.are_due(tx, [one.id for one in going]):
            raise Vetoed("A trigger on content kept the post as it was.")
    if waiting := by_what.get("wait"):
        publications.wait(tx, waiting)
    if changed := by_what.get("plan"):
        publications.plan(tx, [one.id for one in changed])


def _count(row_id: int, error: Vetoed | psycopg.Error) -> None:
    reason, said = "vetoed", str(error)
    if isinstance(error, psycopg.Error):
        reason = f"refused_{error.sqlstate}"
        # Not what follows it: a constraint's detail quotes the post.
        said = (error.diag.message_primary or type(error).__name__)[:500]
    with transaction(limit_seconds=LIMIT_SECONDS) as tx:
        counted = publications.refuse(tx, row_id, DELAYS_SECONDS, reason, said)
    if counted is not None:
        tries, dead = counted
        log().warning("content.refused", id=row_id, tries=tries, dead=dead, reason=said)


def _is_outage(error: Vetoed | psycopg.Error) -> bool:
    """Whether it was the server's state, and not this post: then it counts for nothing."""
    if isinstance(error, Vetoed | QueryCanceled):  # the latter: a trigger that would not end
        return False
    return error.sqlstate is None or error.sqlstate[:2] in ("08", "53", "57", "58", "40", "25")
