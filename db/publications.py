"""Publications: which posts are to be published when; triggers write down what content says.

The post's own row decides: this is where to look, how often it was tried, and who has to wait.
"""

from typing import NamedTuple
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, false, text
from sqlalchemy.orm import Mapped, mapped_column

from db.connection import Tx
from db.table import Base, CreatedAt
from db.work import NEVER, Depth, WorkRow

# Accounts whose posts wait until that ends.
_WAITING = "('suspended', 'canceled')"


class Publication(WorkRow, Base):
    """A post that has its time, or, without one, a user whose held posts may go now.

    One that is `held` was due while its owner was suspended or canceled. It is never `running`:
    a post is published in the transaction that takes it.
    """

    __tablename__ = "publications"
    __table_args__ = (
        CheckConstraint("state IN ('pending', 'running', 'done', 'dead')", name="state"),
        Index(
            "idx_publications_due", "next_attempt_at", postgresql_where=text("state = 'pending'")
        ),
        Index("idx_publications_state", "state", postgresql_where=text("state <> 'pending'")),
        Index("idx_publications_held", "user_id", "id", postgresql_where=text("held")),
        Index("idx_publications_tried", "id", postgresql_where=text("attempts > 0")),
    )

    content_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("content.id", ondelete="CASCADE"), unique=True
    )
    user_id: Mapped[UUID]
    held: Mapped[bool] = mapped_column(server_default=false())
    depth: Mapped[int] = mapped_column(server_default=text("0"))
    created_at: Mapped[CreatedAt]


class Due(NamedTuple):
    """A post whose row we hold, and what is to be done: `publish`, `wait`, or `plan` it anew."""

    id: int
    content_id: UUID
    user_id: UUID
    what: str
    depth: int = 0  # how many workflows it is the consequence of


_LOCKED = f"""
    WITH soon AS MATERIALIZED (SELECT id, content_id, next_attempt_at, depth FROM publications
        WHERE state = 'pending' AND next_attempt_at <= statement_timestamp() AND {{which}}
        ORDER BY next_attempt_at LIMIT {{most}})
    SELECT p.id, c.id, c.user_id,
        CASE WHEN c.status <> 'scheduled' OR c.scheduled_for IS NULL
                OR c.scheduled_for > statement_timestamp() THEN 'plan'
            WHEN u.status IN {_WAITING} THEN 'wait' ELSE 'publish' END, p.depth
    FROM soon p JOIN content c ON c.id = p.content_id JOIN users u ON u.id = c.user_id
    LIMIT %(limit)s FOR NO KEY UPDATE OF c SKIP LOCKED
"""
# More than are wanted, since others hold some; and not all, when a hundred thousand are due.
_FRESH = _LOCKED.format(which="attempts = 0 AND content_id IS NOT NULL", most="%(limit)s * 10")
_ONE = _LOCKED.format(which="id = %(id)s", most="1")


def fresh(tx: Tx, limit: int) -> list[Due]:
    """Posts that are due and were never refused, the longest due first; ours until we commit.

    What somebody else holds is left out: another look finds it.
    """
    return [Due(*row) for row in tx.execute(_FRESH, {"limit": limit})]


def one(tx: Tx, row_id: int) -> Due | None:
    """One of them, refused before or not; None when it is not due, or somebody else holds it."""
    row = tx.execute(_ONE, {"id": row_id, "limit": 1}).fetchone()
    return Due(*row) if row else None


def refused(tx: Tx, limit: int) -> list[int]:
    """Those that are due again after they were refused; locks nothing."""
    rows = tx.execute(
        "SELECT id FROM publications WHERE state = 'pending' AND attempts > 0"
        " AND next_attempt_at <= statement_timestamp() AND content_id IS NOT NULL"
        " ORDER BY next_attempt_at, id LIMIT %s",
        (limit,),
    )
    return [row[0] for row in rows]


def publish(tx: Tx, content_ids: list[UUID], depth: int) -> None:
    """Publish posts of one depth that are held; a trigger takes them off the list."""
    tx.execute("SELECT set_config('hopfleet.depth', %s, true)", (str(depth),))
    # What was published at its time already, and put back, keeps the moment it went out.
    tx.execute(
        "UPDATE content SET status = 'published', published_at ="
        " CASE WHEN published_at >= scheduled_for THEN published_at"
        "  ELSE statement_timestamp() END WHERE id = ANY(%s)",
        (content_ids,),
    )


def are_due(tx: Tx, ids: list[int]) -> bool:
    """Whether any of these is still to be published now, whatever was done about it."""
    row = tx.execute(
        # By the ids alone: the index of what is due may have a hundred thousand others.
        "SELECT EXISTS (SELECT FROM (SELECT state, next_attempt_at FROM publications"
        "  WHERE id = ANY(%s) OFFSET 0) AS mine"
        " WHERE state = 'pending' AND next_attempt_at <= statement_timestamp())",
        (ids,),
    ).fetchone()
    assert row is not None
    return bool(row[0])


def wait(tx: Tx, due: list[Due]) -> None:
    """Let posts wait for the end of their owners' suspension, without being looked at.

    The owners are held, so that none of them is let off between this look and the commit; posts
    of one whose row somebody else has are looked at again in a second.
    """
    rows = tx.execute(
        f"SELECT id FROM users WHERE id = ANY(%s) AND status IN {_WAITING} ORDER BY id"
        " FOR SHARE SKIP LOCKED",
        (sorted({one.user_id for one in due}),),
    )
    owners = [row[0] for row in rows]
    tx.execute(
        "UPDATE publications SET held = user_id = ANY(%(owners)s),"
        " next_attempt_at = CASE WHEN user_id = ANY(%(owners)s) THEN %(never)s"
        "  ELSE clock_timestamp() + interval '1 second' END WHERE id = ANY(%(ids)s)",
        {"owners": owners, "never": NEVER, "ids": [one.id for one in due]},
    )


def plan(tx: Tx, ids: list[int]) -> None:
    """Go by what the held posts say; needed only after somebody switched triggers off."""
    tx.execute(
        "DELETE FROM publications p USING content c WHERE p.id = ANY(%s) AND c.id = p.content_id"
        " AND (c.status <> 'scheduled' OR c.scheduled_for IS NULL)",
        (ids,),
    )
    tx.execute(
        "UPDATE publications p SET next_attempt_at = least(c.scheduled_for, %s) FROM content c"
        " WHERE p.id = ANY(%s) AND c.id = p.content_id",
        (NEVER, ids),
    )


def wake(tx: Tx, limit: int) -> int | None:
    """Have a chunk of the posts of a user who was let off looked at; None when there is no such.

    Returns how many; a user whose posts somebody else holds this moment comes again.
    """
    user = tx.execute(
        "SELECT id, user_id FROM publications WHERE content_id IS NULL AND state = 'pending'"
        " AND next_attempt_at <= statement_timestamp() ORDER BY next_attempt_at, id LIMIT 1"
        " FOR UPDATE SKIP LOCKED"
    ).fetchone()
    if user is None:
        return None
    done = tx.execute(
        "UPDATE publications p SET held = false, next_attempt_at = mine.due_at FROM ("
        "  SELECT p.id, least(greatest(c.scheduled_for, to_timestamp(0)), %s) AS due_at"
        "  FROM publications p JOIN content c ON c.id = p.content_id"
        f"  JOIN users u ON u.id = p.user_id AND u.status NOT IN {_WAITING}"
        "  WHERE p.user_id = %s AND p.held ORDER BY p.id LIMIT %s"
        "  FOR NO KEY UPDATE OF c SKIP LOCKED) AS mine WHERE p.id = mine.id",
        (NEVER, user[1], limit),
    )
    if done.rowcount == 0:
        _end_waking(tx, *user)
    return done.rowcount


def _end_waking(tx: Tx, row_id: int, user_id: UUID) -> None:
    """All are awake, or their owner is suspended again, or somebody holds them."""
    gone = tx.execute(
        "DELETE FROM publications WHERE id = %(id)s AND NOT EXISTS"
        " (SELECT FROM publications p JOIN users u ON u.id = p.user_id"
        f"  WHERE p.user_id = %(user)s AND p.held AND u.status NOT IN {_WAITING})",
        {"id": row_id, "user": user_id},
    )
    if gone.rowcount == 0:
        tx.execute(
            "UPDATE publications SET next_attempt_at = clock_timestamp() + interval '1 second'"
            " WHERE id = %s",
            (row_id,),
        )


def refuse(
    tx: Tx, row_id: int, delays_seconds: list[float], reason: str, error: str
) -> tuple[int, bool] | None:
    """Count that a due post could not be published: later again, or dead after the last delay.

    Returns how often it was tried, and whether it is dead; None when it is not due any more.
    """
    row = tx.execute(
        "UPDATE publications SET attempts = attempts + 1, last_error = %(error)s,"
        " next_attempt_at = CASE WHEN attempts < %(most)s THEN clock_timestamp()"
        "  + make_interval(secs => (%(delays)s::float8[])[attempts + 1])"
        "  ELSE next_attempt_at END,"
        " state = CASE WHEN attempts < %(most)s THEN 'pending' ELSE 'dead' END,"
        " reason = CASE WHEN attempts < %(most)s THEN NULL ELSE %(reason)s END"
        " WHERE id = %(id)s AND state = 'pending' AND next_attempt_at <= statement_timestamp()"
        " RETURNING attempts, state = 'dead'",
        {
            "id": row_id, "most": len(delays_seconds), "delays": delays_seconds,
            "reason": reason, "error": error,
        },
    ).fetchone()  # fmt: skip
    return (row[0], row[1]) if row else None


def depth(tx: Tx) -> Depth:
    """What is owed now: posts of the future, and those that wait for their owners, are not."""
    rows = tx.execute(
        "SELECT 'due', count(*), coalesce(extract(epoch FROM statement_timestamp()"
        "  - min(next_attempt_at)), 0) FROM publications"
        "  WHERE state = 'pending' AND next_attempt_at <= statement_timestamp()"
        " UNION ALL SELECT 'tried', count(*), 0 FROM publications"
        "  WHERE state = 'pending' AND attempts > 0"
        " UNION ALL SELECT 'dead ' || coalesce(reason, ''), count(*), 0 FROM publications"
        "  WHERE state = 'dead' GROUP BY reason"
    ).fetchall()
    found = {row[0]: row[1] for row in rows}
    dead = {name[5:]: count for name, count in found.items() if name.startswith("dead ")}
    seconds = next(float(row[2]) for row in rows if row[0] == "due")
    return Depth(found["due"], 0, dead, found["tried"], round(max(0.0, seconds), 3))


def limit(tx: Tx, seconds: float) -> None:
    """How long a statement of this transaction may take: others may have triggers on posts."""
    tx.execute("SELECT set_config('statement_timeout', %s, true)", (f"{round(seconds * 1000)}ms",))
