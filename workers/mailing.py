"""Mailing: many mails of bonuses at once, a few to each server."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import psycopg
from psycopg import errors as sql

from base.clock import steady
from base.errors import HopfleetError
from base.logs import log
from base.settings import settings
from db import attempts, handing, work
from db.attempts import Ended
from db.connection import Tx, transaction
from db.deliveries import BonusDelivery
from integrations.guard import Guard
from integrations.smtp import Answer
from rules import emails, sending
from workers import controls, mails
from workers.circuit import Circuit
from workers.errands import IDLE_SECONDS, Errands
from workers.lines import Lines
from workers.mails import Ready
from workers.queues import Queue

MOST_AT_ONCE = 512
LEASE_SECONDS = 15.0  # a mail may take longer: it is renewed
RENEW_SECONDS = 3.0
LIMIT_SECONDS = 15.0
LOCK_SECONDS = 1.0
_MOST_DOWN_SECONDS = 60.0  # between two looks at a server that cannot be reached


class Sent(NamedTuple):
    """A mail and what became of it, to be written down."""

    ready: Ready
    answer: Answer


class Mailing(Errands):
    """Sends the mails of bonuses."""

    name = "mailing"

    def __init__(self) -> None:
        super().__init__()
        self._renewed = 0.0
        self._sending: dict[asyncio.Task[Answer], Ready] = {}
        self._sent: list[Sent] = []
        self._circuits: dict[str, Circuit] = {}
        self._lines = Lines(0, 0)

    def begin(self) -> None:
        """Forget what the last loop had."""
        self._sending, self._sent, self._circuits = {}, [], {}
        guard = Guard(settings().call_private)
        self._lines = Lines(settings().smtp_timeout_seconds, IDLE_SECONDS, guard)

    def running(self) -> Iterable["asyncio.Task[Answer]"]:
        """Mails that are on their way."""
        return self._sending

    def unwritten(self) -> bool:
        """Whether mails were sent that are not written down."""
        return bool(self._sent)

    async def leave(self) -> None:
        """Let go of every connection: those of mails that are on their way, and the idle ones."""
        for task in (sending := list(self._sending)):
            task.cancel()
        await asyncio.gather(*sending, return_exceptions=True)
        await self._lines.close()

    async def step(self) -> int:
        """Write down what was sent, claim and begin what may be sent; how many began."""
        if self._sent:
            done, self._sent = self._sent, []
            self._sent += await asyncio.to_thread(record, done)
        if self._sending and steady() - self._renewed > RENEW_SECONDS:
            self._renewed = steady()
            mine = [(one.due.id, one.due.attempts) for one in self._sending.values()]
            await asyncio.to_thread(_renew, mine)
        await self._close_idle()
        room = MOST_AT_ONCE - len(self._sending)
        if room <= 0 or self.stops() or not controls.may_claim(Queue.BONUSES):
            return 0
        began = await asyncio.to_thread(_claim, self._busy(), self._lane_room(), room)
        for ready in began:
            task = asyncio.create_task(self._send(ready))
            self._sending[task] = ready
            task.add_done_callback(self._ended)
        return len(began)

    def _busy(self) -> dict[str, int]:
        """How many mails each lane has on their way; one that is down takes none."""
        busy = Counter(one.due.lane for one in self._sending.values())
        for name, circuit in self._circuits.items():
            if circuit.is_open():
                busy[name] = MOST_AT_ONCE
        if settings().smtp is None:
            busy[""] = MOST_AT_ONCE  # they wait, without a look at each
        return busy

    def _lane_room(self) -> int:
        """When many lanes are slow, each gets one connection, so that all get some."""
        return settings().smtp_connections if len(self._sending) < MOST_AT_ONCE // 2 else 1

    async def _send(self, ready: Ready) -> Answer:
        lane = ready.due.lane
        line = self._lines.take(ready.server, guarded=lane != "")  # a user has named it
        answer = await line.send(*ready.mail)
        circuit = self._circuits.setdefault(lane, Circuit(1, 1.0, _MOST_DOWN_SECONDS))
        circuit.heard(failed=answer.outcome == "unreachable")
        self._lines.give(line)
        return answer

    def _ended(self, task: asyncio.Task[Answer]) -> None:
        ready = self._sending.pop(task)
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            # A fault of ours: nobody can say how far it got.
            log().error("mail.failed", id=ready.due.id, reason=repr(error))
            self._sent.append(Sent(ready, Answer("unknown", None, type(error).__name__)))
        else:
            self._sent.append(Sent(ready, task.result()))

    async def _close_idle(self) -> None:
        """Connections that waited for a while, and circuits of servers that work."""
        await self._lines.close(old_only=True)
        sending = {one.due.lane for one in self._sending.values()}  # theirs are still to come
        for name, circuit in list(self._circuits.items()):
            if name not in sending and not circuit.failures:
                del self._circuits[name]


def _claim(busy: dict[str, int], lane_room: int, room: int) -> list[Ready]:
    with transaction(limit_seconds=LIMIT_SECONDS) as tx:
        work.reclaim(tx, BonusDelivery)
        return mails.ready(tx, handing.claim_mails(tx, busy, lane_room, room, LEASE_SECONDS))


def _renew(mine: list[tuple[int, int]]) -> None:
    with transaction(limit_seconds=LIMIT_SECONDS) as tx:
        handing.renew(tx, mine, LEASE_SECONDS)


def record(sent: list[Sent]) -> list[Sent]:
    """Write down what became of mails; returns those that somebody else's lock keeps waiting."""
    try:
        with transaction(limit_seconds=LIMIT_SECONDS) as tx:
            handing.hurry(tx, LOCK_SECONDS)
            _record(tx, sent)
    except (sql.LockNotAvailable, sql.DeadlockDetected):
        bonuses = {one.ready.due.bonus_id for one in sent}
        if len(bonuses) == 1:
            return sent
        parts = [[one for one in sent if one.ready.due.bonus_id == bonus] for bonus in bonuses]
        return [left for part in parts for left in record(part)]
    except (HopfleetError, psycopg.Error) as error:
        log().warning("mailing.unrecorded", mails=len(sent), reason=str(error))
        return sent
    return []


def _record(tx: Tx, sent: Iterable[Sent]) -> None:
    told = list(sent)
    ended = [
        Ended(ready.attempt_id, answer.outcome, answer.code, answer.said) for ready, answer in told
    ]
    attempts.end(tx, ended)
    secret = settings().secret
    handing.mailed(
        tx,
        [
            (ready.due.id, ready.due.attempts, emails.digest(secret, ready.address))
            for ready, answer in told
            if answer.outcome == "accepted"
        ],
    )
    doubtful = [ready.due.id for ready, answer in told if answer.outcome == "unknown"]
    unknown = attempts.unknown(tx, doubtful) if doubtful else {}
    for ready, answer in told:
        if answer.outcome != "accepted":
            _failed(tx, ready, answer, unknown.get(ready.due.id, 0))


def _failed(tx: Tx, ready: Ready, answer: Answer, unknown: int) -> None:
    log().info(
        "mail.failed", id=ready.due.id, outcome=answer.outcome, code=answer.code,
        server=ready.server.name,
    )  # fmt: skip
    if answer.outcome == "refused":
        mails.bury(tx, ready.due, "mail_refused", answer.said)
    elif unknown >= sending.MOST_UNKNOWN:
        mails.bury(tx, ready.due, "outcome_unknown", answer.said)
    elif (delay := sending.delay(ready.due.tries + 1)) is None:
        mails.bury(tx, ready.due, f"mail_{answer.outcome}", answer.said)
    else:
        mails.retry(tx, ready.due, delay, answer.said)
