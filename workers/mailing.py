"""Mailing: many mails at once in one event loop, a few to each server, in a thread of its own.

A worker's threads are shared by its queues: none of them may wait for a mail server. The thread
begins when there is something to send and ends when there is not.
"""

import asyncio
import threading
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
from integrations.smtp import Answer, Line, Server
from rules import emails, sending
from workers import controls, mails
from workers.mails import Ready
from workers.queues import Queue
from workers.stopping import stopping

MOST_AT_ONCE = 512
LEASE_SECONDS = 15.0  # a mail may take longer: it is renewed
RENEW_SECONDS = 3.0
LIMIT_SECONDS = 15.0
LOOK_SECONDS = 0.5
IDLE_SECONDS = 1.0
GATHER_SECONDS = 0.002  # answers that come together are written together
LOCK_SECONDS = 1.0
STOP_SECONDS = 6.0
_MOST_DOWN_SECONDS = 60.0  # between two looks at a server that cannot be reached


class Sent(NamedTuple):
    """A mail and what became of it, to be written down."""

    ready: Ready
    answer: Answer


class _Lane:
    """A server's connections that wait for the next mail, and since when it cannot be reached."""

    def __init__(self) -> None:
        self.idle: list[tuple[Line, float]] = []
        self.failures = 0
        self.down_until = 0.0

    def heard(self, answer: Answer) -> None:
        if answer.outcome != "unreachable":
            self.failures = 0
        elif self.down_until <= steady():
            self.failures += 1
            pause = min(2.0**self.failures / 2, _MOST_DOWN_SECONDS)
            self.down_until = steady() + pause


class Mailing:
    """The thread; `wake` when there may be something to send, `stop` before the process ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asked = asyncio.Event()
        self._again = False  # asked when the loop was ending
        self._stopped = False
        self._renewed = 0.0
        self._sending: dict[asyncio.Task[Answer], Ready] = {}
        self._sent: list[Sent] = []
        self._lanes: dict[str, _Lane] = {}

    def wake(self) -> None:
        """Look for mails that are due."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._begin, name="mailing", daemon=True)
                self._thread.start()
            elif self._loop is not None:
                self._loop.call_soon_threadsafe(self._asked.set)
            else:
                self._again = True

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Claim nothing more, and wait for what is on its way."""
        self._stopped = True
        if (thread := self._thread) is not None:
            thread.join(seconds)

    def _begin(self) -> None:
        while True:
            self._again = False
            try:
                asyncio.run(self._run())
            except Exception:
                log().exception("mailing.failed")
            with self._lock:
                if not self._again or self._stops():
                    self._thread = None
                    return

    async def _run(self) -> None:
        self._sending, self._sent, self._lanes = {}, [], {}
        self._asked = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        try:
            await self._rounds()
        finally:
            with self._lock:
                self._loop = None  # it takes no calls once it is closed
            await self._leave()

    async def _rounds(self) -> None:
        """Send until nothing has been due for a while, or the process ends."""
        worked_at = steady()
        while True:
            self._asked.clear()
            try:
                began = await self._step()
            except (HopfleetError, psycopg.Error) as error:
                log().warning("mailing.postponed", reason=str(error) or type(error).__name__)
                await asyncio.sleep(LOOK_SECONDS)
                began = 0
            if began or self._sending or self._sent:
                worked_at = steady()
            elif self._stops() or steady() - worked_at > IDLE_SECONDS:
                break
            await self._wait()

    async def _leave(self) -> None:
        """Let go of every connection: those of mails that are on their way, and the idle ones."""
        for task in (sending := list(self._sending)):
            task.cancel()
        await asyncio.gather(*sending, return_exceptions=True)
        idle = [line for lane in self._lanes.values() for line, _ in lane.idle]
        await asyncio.gather(*(line.close() for line in idle))

    def _stops(self) -> bool:
        return self._stopped or stopping()

    async def _step(self) -> int:
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
        if room <= 0 or self._stops() or not controls.may_claim(Queue.BONUSES):
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
        for name, lane in self._lanes.items():
            if lane.down_until > steady():
                busy[name] = MOST_AT_ONCE
        if settings().smtp is None:
            busy[""] = MOST_AT_ONCE  # they wait, without a look at each
        return busy

    def _lane_room(self) -> int:
        """When many lanes are slow, each gets one connection, so that all get some."""
        return settings().smtp_connections if len(self._sending) < MOST_AT_ONCE // 2 else 1

    async def _wait(self) -> None:
        asked = asyncio.create_task(self._asked.wait())
        await asyncio.wait(
            [asked, *self._sending], timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        asked.cancel()
        if self._sending:
            await asyncio.sleep(GATHER_SECONDS)

    async def _send(self, ready: Ready) -> Answer:
        lane = self._lanes.setdefault(ready.due.lane, _Lane())
        line = _idle_line(lane, ready.server) or Line(ready.server, settings().smtp_timeout_seconds)
        answer = await line.send(*ready.mail)
        lane.heard(answer)
        lane.idle.append((line, steady()))
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
        """Connections that waited for a while, and lanes that have none and await none."""
        sending = {one.due.lane for one in self._sending.values()}  # theirs come back
        for name, lane in list(self._lanes.items()):
            old = [one for one in lane.idle if steady() - one[1] > IDLE_SECONDS]
            lane.idle = [one for one in lane.idle if one not in old]
            await asyncio.gather(*(line.close() for line, _ in old))
            kept = name in sending or lane.idle or lane.failures
            if not kept and lane.down_until <= steady():
                self._lanes.pop(name)


def _idle_line(lane: _Lane, server: Server) -> Line | None:
    for at, (line, _) in enumerate(lane.idle):
        if line.server == server:
            return lane.idle.pop(at)[0]
    return None


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
