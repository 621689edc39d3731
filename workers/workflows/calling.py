"""Calling: many requests and mails at once, a few to each server, fairly by user.

A slow server holds up its own lane. When many are slow, each gets one connection, so that all
get some, and no user has more than a part of them.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable
from uuid import UUID

import psycopg
from psycopg import errors as sql

from base.clock import steady
from base.errors import HopfleetError
from base.logs import log
from base.settings import settings
from db import calling, work
from db.calling import FIRST, Pair
from db.calls import Call
from db.connection import Tx, transaction
from integrations.calling import Answer, Caller, Request
from integrations.guard import Guard, Resolve, system_addresses
from rules.shares import dealt
from workers import controls, nudges
from workers.circuit import Circuit
from workers.errands import IDLE_SECONDS, Errands
from workers.lines import Lines
from workers.queues import Queue
from workers.workflows import calls
from workers.workflows.calls import Ended, Ready

MOST_AT_ONCE = 512
MOST_OF_USER = 128
LEASE_SECONDS = 15.0  # a call may take longer: it is renewed
RENEW_SECONDS = 3.0
NUDGE_SECONDS = 0.1  # that runs go on; the sweep comes within a second anyway
LIMIT_SECONDS = 15.0
PAIRS = 1_000
_MOST_LOOKS = 20
_FAILURES = 5
_FIRST_PAUSE_SECONDS = 1.0
_MOST_PAUSE_SECONDS = 60.0
_AWAY = frozenset({502, 503, 504})

_PATIENT_SECONDS = 5.0


class _Lane:
    """A host, its connections, and whether it is worth trying."""

    def __init__(self, guard: Guard) -> None:
        self.circuit = Circuit(_FAILURES, _FIRST_PAUSE_SECONDS, _MOST_PAUSE_SECONDS)
        self.used_at = steady()
        self._guard = guard
        self._callers: dict[str, Caller] = {}

    async def send(self, what: Request, seconds: float, *, fresh: bool) -> Answer:
        """Send a request over a connection to its very server."""
        caller = self._callers.setdefault(what.server, Caller(self._guard))
        answer = await caller.send(what, seconds, fresh=fresh)
        failed = answer.outcome in ("unreachable", "unknown") or answer.status in _AWAY
        # Whoever gives a server no time learns nothing of it that others should suffer for.
        if not failed or answer.status in _AWAY or seconds >= _PATIENT_SECONDS:
            self.circuit.heard(failed=failed)
        self.used_at = steady()
        return answer

    async def close(self) -> None:
        """End all connections."""
        await asyncio.gather(*(caller.close() for caller in self._callers.values()))


class Calling(Errands):
    """Sends what runs and notices ask for."""

    name = "calling"

    def __init__(self, resolve: Resolve = system_addresses) -> None:
        super().__init__()
        self._resolve = resolve
        self._guard = Guard()
        self._renewed = 0.0
        self._nudged = 0.0
        self._after: Pair = FIRST
        self._sending: dict[asyncio.Task[Ended], Ready] = {}
        self._ended: list[Ended] = []
        self._lanes: dict[str, _Lane] = {}
        self._lines = Lines(0, 0)

    def begin(self) -> None:
        """Forget what the last loop had."""
        self._sending, self._ended, self._lanes = {}, [], {}
        self._guard = Guard(settings().call_private, self._resolve)
        self._lines = Lines(settings().smtp_timeout_seconds, IDLE_SECONDS)

    def running(self) -> Iterable["asyncio.Task[Ended]"]:
        """Calls that are on their way."""
        return self._sending

    def unwritten(self) -> bool:
        """Whether calls have ended that are not written down."""
        return bool(self._ended)

    async def leave(self) -> None:
        """Let go of calls that are on their way, and of every connection."""
        for task in (sending := list(self._sending)):
            task.cancel()
        await asyncio.gather(*sending, return_exceptions=True)
        await asyncio.gather(self._lines.close(), *(one.close() for one in self._lanes.values()))

    async def step(self) -> int:
        """Write down what ended, claim and begin what may be sent; how many began."""
        if (self._sending or self._ended) and steady() - self._renewed > RENEW_SECONDS:
            self._renewed = steady()
            held = [one.due for one in self._sending.values()]
            held += [one.due for one in self._ended]
            await asyncio.to_thread(_renew, [(due.id, due.attempts) for due in held])
        await self._close_idle()
        # Side by side: neither has to wait for the other's commit.
        written, begun = await asyncio.gather(
            self._write_down(), self._begin_some(), return_exceptions=True
        )
        for failed in (written, begun):
            if isinstance(failed, BaseException):
                raise failed
        return begun if isinstance(begun, int) else 0

    async def _write_down(self) -> None:
        if not self._ended:
            return
        done, self._ended = self._ended, []
        self._ended += await asyncio.to_thread(record, done)
        if steady() - self._nudged > NUDGE_SECONDS:
            self._nudged = steady()
            await asyncio.to_thread(nudges.try_nudge, Queue.WORKFLOWS, "workflows.run")

    async def _begin_some(self) -> int:
        room = MOST_AT_ONCE - len(self._sending)
        if room <= 0 or self.stops() or not controls.may_claim(Queue.WORKFLOWS):
            return 0
        began, ended = await asyncio.to_thread(self._claim, room)
        if ended:
            self._ended += ended
            self.look_again()
        for ready in began:
            task = asyncio.create_task(self._send(ready))
            self._sending[task] = ready
            task.add_done_callback(self._over)
        return len(began) + len(ended)

    def _claim(self, room: int) -> tuple[list[Ready], list[Ended]]:
        with transaction(limit_seconds=LIMIT_SECONDS) as tx:
            work.reclaim(tx, Call)
            for _ in range(_MOST_LOOKS):
                due, whole = self._look(tx)
                shares = dealt(due, room, self._lane_rooms(due), self._user_rooms(due))
                if shares:
                    found = calling.claim(tx, shares, LEASE_SECONDS)
                    return calls.ready(tx, found)
                if whole:
                    break
        return [], []

    def _look(self, tx: Tx) -> tuple[list[Pair], bool]:
        """Pairs that have something due, behind those of the last look; whether these are all."""
        found = calling.pairs(tx, self._after, PAIRS)
        if len(found) < PAIRS and self._after != FIRST:
            known = {pair for pair, _ in found}
            again = calling.pairs(tx, FIRST, PAIRS - len(found))
            found += [one for one in again if one[0] not in known]
        whole = len(found) < PAIRS
        self._after = FIRST if whole or not found else found[-1][0]
        return [pair for pair, is_due in found if is_due], whole

    def _lane_rooms(self, pairs: Iterable[Pair]) -> dict[str, int]:
        busy = Counter(one.due.lane for one in self._sending.values())
        full = len(self._sending) >= MOST_AT_ONCE // 2
        rooms = {}
        for name, _ in pairs:
            usual = settings().calls_per_host if name else settings().smtp_connections
            usual = 1 if full else usual
            lane = self._lanes.get(name)
            most = lane.circuit.room(usual) if lane is not None else usual
            rooms[name] = max(0, most - busy[name])
        return rooms

    def _user_rooms(self, pairs: Iterable[Pair]) -> dict[UUID, int]:
        busy = Counter(one.due.user_id for one in self._sending.values())
        return {user: max(0, MOST_OF_USER - busy[user]) for _, user in pairs}

    async def _send(self, ready: Ready) -> Ended:
        due = ready.due
        lane = self._lanes.setdefault(due.lane, _Lane(self._guard))
        if isinstance(ready.what, Request):
            fresh = due.on_unknown != "retry"
            answer = await lane.send(ready.what, due.timeout_seconds, fresh=fresh)
            return calls.answered(ready, answer)
        line = self._lines.take(ready.what.server)
        taken = await line.send(*ready.what.mail)
        lane.circuit.heard(failed=taken.outcome == "unreachable")
        self._lines.give(line)
        return calls.handed_over(ready, taken)

    def _over(self, task: asyncio.Task[Ended]) -> None:
        ready = self._sending.pop(task)
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            # A fault of ours: nobody can say how far it got. Its text may hold what was sent.
            log().error("call.broke", id=ready.due.id, reason=type(error).__name__)
            said = f"a fault of ours ({type(error).__name__})"
            self._ended.append(Ended(ready.due, ready.attempt_id, "unknown", said))
        else:
            self._ended.append(task.result())

    async def _close_idle(self) -> None:
        await self._lines.close(old_only=True)
        busy = {one.due.lane for one in self._sending.values()}
        for name, lane in list(self._lanes.items()):
            idle = steady() - lane.used_at
            if name in busy or idle < IDLE_SECONDS or lane.circuit.is_open():
                continue
            if lane.circuit.failures and idle < _MOST_PAUSE_SECONDS:
                continue  # it is to be remembered
            del self._lanes[name]
            await lane.close()


def _renew(mine: list[tuple[int, int]]) -> None:
    with transaction(limit_seconds=LIMIT_SECONDS) as tx:
        calling.renew(tx, mine, LEASE_SECONDS)


def record(ended: list[Ended]) -> list[Ended]:
    """Write down what became of calls; returns those that are to be written again later."""
    try:
        with transaction(limit_seconds=LIMIT_SECONDS) as tx:
            calls.record(tx, ended)
    except (sql.DataError, sql.LockNotAvailable, sql.DeadlockDetected) as error:
        if len(ended) > 1:
            return [left for one in ended for left in record([one])]
        if isinstance(error, sql.DataError) and ended[0].output is not None:
            return record([calls.plain(ended[0])])
        return ended
    except (HopfleetError, psycopg.Error) as error:
        log().warning("calling.unrecorded", calls=len(ended), reason=type(error).__name__)
        return ended
    return []
