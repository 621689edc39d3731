"""Calls: what is owed to the outside, a request or a mail, and each try to hand it over."""

from typing import Any, NamedTuple
from uuid import UUID

import orjson
from sqlalchemy import BigInteger, CheckConstraint, Float, ForeignKey, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from base.sealing import seal
from base.settings import settings
from db.connection import Tx
from db.table import At, Base, CreatedAt, Long, Serial, Str20, Str64, Str100, Str255, Word
from db.work import WorkRow


class Call(WorkRow, Base):
    """An HTTP request (`http`) or a mail (`mail`) that a run's step, or a notice, asks for.

    `lane` is the host it goes to: a slow one holds up its own lane. `key` is the idempotency
    key, the same in every try. `request` is what is to be sent, as JSON, sealed, and gone when
    it is over. `tries` counts how often it was sent, of `most_tries`; `retry_seconds` lie between
    two tries, or ever more where it is NULL.
    """

    __tablename__ = "calls"
    __table_args__ = (
        CheckConstraint("state IN ('pending', 'running', 'done', 'dead')", name="state"),
        Index(
            "idx_calls_due", "lane", "user_id", "next_attempt_at",
            postgresql_where=text("state = 'pending'"),
        ),
        Index(
            "idx_calls_next", "kind", "next_attempt_at",
            postgresql_where=text("state = 'pending'"),
        ),
        Index(
            "idx_calls_state", "state", "next_attempt_at", postgresql_where=text("state <> 'done'")
        ),
        Index("idx_calls_run_id", "run_id"),
        Index("idx_calls_ended_at", "ended_at", postgresql_where=text("ended_at IS NOT NULL")),
    )  # fmt: skip

    kind: Mapped[Str20]
    lane: Mapped[Str255] = mapped_column(server_default="")
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    run_id: Mapped[int | None] = mapped_column(
        BigInteger, ForeignKey("workflow_runs.id", ondelete="CASCADE")
    )
    path: Mapped[Str100 | None]
    key: Mapped[Str64] = mapped_column(unique=True)
    request: Mapped[bytes | None] = mapped_column(LargeBinary)
    on_unknown: Mapped[Str20] = mapped_column(server_default="retry")
    most_tries: Mapped[int] = mapped_column(server_default=text("8"))
    timeout_seconds: Mapped[float] = mapped_column(Float, server_default=text("15"))
    retry_seconds: Mapped[float | None] = mapped_column(Float)
    tries: Mapped[int] = mapped_column(server_default=text("0"))
    created_at: Mapped[CreatedAt]
    ended_at: Mapped[At | None]


class CallAttempt(Base):
    """One try: written before it is made, so that a crash in between shows.

    `outcome` is `accepted`, `refused`, `deferred`, `unreachable` or `unknown`; `said` is what
    the other side answered, cut.
    """

    __tablename__ = "call_attempts"
    __table_args__ = (
        Index("idx_call_attempts_call_id", "call_id"),
        Index("idx_call_attempts_open", "call_id", postgresql_where=text("outcome IS NULL")),
    )

    id: Mapped[Serial]
    call_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("calls.id", ondelete="CASCADE"))
    attempt: Mapped[int]
    outcome: Mapped[Word | None]
    status: Mapped[int | None]
    milliseconds: Mapped[int | None]
    said: Mapped[Long | None]
    created_at: Mapped[CreatedAt]
    ended_at: Mapped[At | None]


class NewCall(NamedTuple):
    """A call that is owed; `request` says what is to be sent, as JSON values.

    That of `http` has `method`, `url`, `headers`, `body` (a text) and `sign` (a secret or None);
    that of `mail` has `to`, `subject`, `text` and `html`.
    """

    kind: str
    lane: str
    user_id: UUID
    run_id: int | None
    path: str | None
    key: str
    request: dict[str, Any]
    on_unknown: str = "retry"
    most_tries: int = 8
    timeout_seconds: float = 15.0
    retry_seconds: float | None = None


_OWE = """
    INSERT INTO calls AS c (kind, lane, user_id, run_id, path, key, request, on_unknown,
        most_tries, timeout_seconds, retry_seconds)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (key) DO UPDATE SET state = 'pending', outcome = NULL, reason = NULL, tries = 0,
        lane = EXCLUDED.lane, request = EXCLUDED.request, run_id = EXCLUDED.run_id,
        path = EXCLUDED.path, next_attempt_at = now(), ended_at = NULL, last_error = NULL,
        on_unknown = EXCLUDED.on_unknown, most_tries = EXCLUDED.most_tries,
        timeout_seconds = EXCLUDED.timeout_seconds, retry_seconds = EXCLUDED.retry_seconds
        WHERE c.state IN ('done', 'dead')
            OR (c.state = 'pending' AND c.run_id IS DISTINCT FROM EXCLUDED.run_id)
"""


def owe(tx: Tx, new: NewCall) -> bool:
    """Write what is owed, sealed; one whose key was used before is owed anew once it is over.

    One that another run has left behind is taken over; False when it is on its way just now.
    """
    sealed = seal(orjson.dumps(new.request, default=str), settings())
    done = tx.execute(
        _OWE,
        (
            new.kind, new.lane[:255], new.user_id, new.run_id, new.path, new.key, sealed,
            new.on_unknown, new.most_tries, new.timeout_seconds, new.retry_seconds,
        ),
    )  # fmt: skip
    return done.rowcount == 1
