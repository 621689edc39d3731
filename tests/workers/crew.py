"""A worker and a scheduler as processes, on this process's stores and on a broker of their own.

The broker takes any order, and a proxy stands before it. Nobody but the scheduler sends nudges.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import psycopg
import redis
from dramatiq import Message

from base.settings import settings
from db.connection import Tx
from journal import claims
from journal.streams import GROUP, Kind, stream
from tests.fleet.program import Program, until
from tests.fleet.proxy import Proxy
from tests.fleet.wires import RedisWatch
from tests.journal import putting
from tests.journal.conftest import Valkey
from tests.make import Made
from tests.workers import items
from workers.on_redis import NAMESPACE, OnRedis
from workers.queues import Queue

VISIBLE_SECONDS = 10  # two or three where nobody else works
_AGED_MS = 60_000


class Crew:
    """`worker` and `scheduler` run, `another` worker stands by; `end` ends them."""

    def __init__(self, folder: Path, valkey: Valkey) -> None:
        self.valkey = valkey
        self.wire = Proxy(valkey.port, RedisWatch)
        environment = {
            **os.environ,
            "HOPFLEET_DATABASE_URL": settings().database,
            "HOPFLEET_JOURNAL_URL": settings().journal,
            "HOPFLEET_REDIS_URL": f"redis://127.0.0.1:{self.wire.port}/0",
        }
        work = ("worker", "clicks", "conversions")
        self.worker = Program("worker", work, environment, folder)
        self.another = Program("another", work, environment, folder)
        self.scheduler = Program("scheduler", ("scheduler",), environment, folder)
        # What another host's dramatiq would do to the same broker.
        self.stranger = OnRedis(valkey.url, [])
        self.start(self.worker, self.scheduler)

    def start(self, *programs: Program) -> None:
        """Start what does not run, and wait until it says so."""
        for program in programs:
            if not program.running():
                since = len(program.said(0))
                program.start()
                until(lambda p=program, s=since: p.says(".started", s), 30, program.name)  # type: ignore[misc]

    def reset(self) -> None:
        """As at the start, whatever a test has done."""
        self.wire.heal()
        self.another.end()
        self.broker.config_set("maxmemory", 0)
        self.broker.replicaof("NO", "ONE")
        self.broker.flushall()
        self.start(self.worker, self.scheduler)

    def end(self) -> None:
        """Everything, by pid."""
        for program in (self.worker, self.another, self.scheduler):
            program.end()
        self.stranger.close()
        self.wire.end()

    # --- the broker

    @property
    def broker(self) -> "redis.Redis":
        """An administrator's connection."""
        return self.valkey.client

    def keys(self, pattern: str) -> list[bytes]:
        """Keys of dramatiq."""
        return cast(list[bytes], self.broker.keys(f"{NAMESPACE}:{pattern}"))

    def waiting(self, queue: Queue = Queue.CLICKS) -> list[bytes]:
        """Ids of the nudges that wait."""
        return cast(list[bytes], self.broker.lrange(f"{NAMESPACE}:{queue}", 0, -1))

    def nudge(
        self, actor: str = "clicks.drain", delay_ms: int | None = None, **fields: Any
    ) -> None:
        """Send one as ours are; nothing of ours ever delays one."""
        message: Message[None] = Message(str(Queue.CLICKS), actor, (), {}, {}, **fields)
        self.stranger.enqueue(message, delay=delay_ms)

    def steal(self, most: int = 100) -> list[bytes]:
        """Take nudges as another process of dramatiq would, and keep them."""
        return list(self.stranger.do_fetch(str(Queue.CLICKS), most))

    # --- the work

    def put(self, campaign: Made, count: int = 3) -> list[str]:
        """A batch of clicks into the journal, without a nudge; the click ids."""
        clicks = [items.item(campaign["user_id"], campaign["id"]) for _ in range(count)]
        putting.put(settings().journal, items.batch(*clicks))
        return sorted(click["id"] for click in clicks)

    @contextmanager
    def inside(self, campaign: Made) -> Iterator[list[str]]:
        """The worker is in the middle of a batch, whose click ids are given, until the end."""
        click = items.item(campaign["user_id"], campaign["id"])
        batch = items.batch(click)
        with psycopg.connect(settings().database) as holder:
            holder.execute("INSERT INTO ledger (batch_id) VALUES (%s)", (batch.id,))
            putting.put(settings().journal, batch)
            until(lambda: _blocked(holder), VISIBLE_SECONDS, "the worker is in its transaction")
            yield [click["id"]]
            holder.rollback()

    def age_claims(self) -> None:
        """As if those who hold batches had been silent for a minute."""
        found: Any = claims.client().xpending_range(stream(Kind.CLICKS), GROUP, "-", "+", 100)
        for each in found:
            claims.client().xclaim(
                stream(Kind.CLICKS), GROUP, each["consumer"], 0, [each["message_id"]],
                idle=_AGED_MS, justid=True,
            )  # fmt: skip


def _blocked(session: Tx) -> bool:
    found = session.execute(
        "SELECT EXISTS (SELECT FROM pg_locks"
        " WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid)))"
    ).fetchone()
    return found == (True,)


def stored(session: Tx) -> list[str]:
    """The click ids of all rows, each as often as it stands there."""
    return sorted(row["click_id"] for row in items.rows(session))


def is_stored(session: Tx, ids: list[str]) -> None:
    """Wait until these and no others are rows, and nothing is left in the journal."""
    until(
        lambda: stored(session) == sorted(ids) and not claims.waiting(Kind.CLICKS),
        VISIBLE_SECONDS, "all is stored",
    )  # fmt: skip
