"""The broker's rules: no retries, no clocks, and a limit on every actor."""

import ast
import os
import subprocess
import sys

import pytest
from dramatiq.middleware import AgeLimit, Retries, TimeLimit

from base.errors import Misused
from tests.reading import ROOT, code
from workers import (
    bonuses,
    clickbank,
    clickbank_api,
    clicks,
    content,
    conversions,
    held,
    nudges,
    on_rabbitmq,
    runner,
    stripe,
    webhooks,
)
from workers.broker import broker
from workers.maintenance import purges
from workers.products import actors as products
from workers.queues import JOURNAL_QUEUES, Queue
from workers.workflows import actors as workflows

ACTORS = (
    products.sync,
    clicks.drain,
    conversions.drain,
    webhooks.drain,
    stripe.handle,
    bonuses.link,
    bonuses.mail,
    bonuses.match,
    held.release,
    held.release_conversions,
    held.release_webhooks,
    clickbank.redo,
    content.publish,
    clickbank_api.run,
    purges.run,
    workflows.gather,
    workflows.match,
    workflows.run,
    workflows.send,
)


def test_messages_are_never_retried_and_never_dropped_by_a_clock() -> None:
    kinds = [type(one) for one in broker.middleware]

    assert TimeLimit in kinds
    assert {Retries, AgeLimit} & set(kinds) == set()


@pytest.mark.parametrize("actor", ACTORS)
def test_every_actor_states_its_time_limit_and_a_queue_there_is(actor: object) -> None:
    options = actor.options  # type: ignore[attr-defined]

    # A million products may take hours while doors are busy; its lease, not its limit, guards it.
    hours = 12 if actor.queue_name == Queue.PRODUCTS else 1  # type: ignore[attr-defined]
    assert 0 < options["time_limit"] <= hours * 3_600_000
    assert actor.queue_name in list(Queue)  # type: ignore[attr-defined]


def test_every_declared_actor_is_known_here() -> None:
    assert set(broker.actors.values()) == set(ACTORS)


def test_the_eight_queues_are_declared() -> None:
    assert set(Queue) <= set(broker.get_declared_queues())
    assert len(Queue) == 8


def test_a_nudge_names_an_actor_of_its_own_queue() -> None:
    for queue, name in nudges.ACTORS.items():
        assert broker.get_actor(name).queue_name == queue
    assert set(nudges.ACTORS) <= set(JOURNAL_QUEUES.values())


@pytest.mark.parametrize("queues", [[], ["nope"], ["clicks", "nope"], [""]])
def test_a_worker_refuses_queues_there_are_none_of(queues: list[str]) -> None:
    with pytest.raises(Misused, match="the queues are clicks, conversions"):
        runner.run(queues)


@pytest.mark.parametrize(
    "address",
    [
        "http://user:s3cret@127.0.0.1",
        "redis://user:s3cret@127.0.0.1:port",
        "amqp://user:s3cret@127.0.0.1:port",
        "amqp://s3cret@127.0.0.1",
        "amqp://user:s3cret@127.0.0.1/v?nonsense=s3cret",
        "amqps://user:s3cret@127.0.0.1/v?ssl_ca_certs=/none",
        "s3cret",
    ],
)
def test_an_address_of_no_broker_is_one_sentence_without_its_password(address: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "ops", "worker", "clicks"],
        cwd=ROOT,
        env={**os.environ, "HOPFLEET_BROKER_URL": address},
        capture_output=True,
        text=True,
    )

    assert ran.returncode == 2
    assert "HOPFLEET_BROKER_URL is no address of a broker" in ran.stderr.replace("\n", " ")
    assert "s3cret" not in ran.stdout + ran.stderr


def test_an_address_of_rabbitmq_is_read_as_its_words_say() -> None:
    found = on_rabbitmq.parameters("amqp://u%40:p%2F@host:1/a%20vhost")
    with_tls = on_rabbitmq.parameters("amqps://host?ssl_cert_reqs=none")

    assert (found.host, found.port, found.virtual_host) == ("host", 1, "a vhost")
    assert (found.credentials.username, found.credentials.password) == ("u@", "p/")
    assert found.blocked_connection_timeout == on_rabbitmq.BLOCKED_SECONDS
    assert (with_tls.port, with_tls.ssl_options.context.check_hostname) == (5671, False)
    assert on_rabbitmq.parameters("amqps://host").ssl_options.context.check_hostname


HALF_DEAD = """
import ctypes, threading
from base.clock import sleep
from workers import runner

def wound() -> None:
    name = {victim!r}
    while True:
        for thread in threading.enumerate():
            if type(thread).__name__ == name:
                sleep(0.5)
                ident = ctypes.c_ulong(thread.ident)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, ctypes.py_object(SystemExit))
                return
        sleep(0.01)

threading.Thread(target=wound, daemon=True).start()
runner.run(["clicks"])
"""


@pytest.mark.parametrize("victim", ["ConsumerThread", "WorkerThread"])
def test_a_worker_that_is_half_dead_ends(redis_url: str, victim: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", HALF_DEAD.format(victim=victim)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert ran.returncode == 70
    assert "worker.half_dead" in ran.stderr


_UNUSED = {
    "Callbacks", "CurrentMessage", "GroupCallbacks", "Pipelines", "Results", "Retries", "group",
    "pipeline", "rate_limits", "results",
}  # fmt: skip


def test_nothing_uses_what_dramatiq_delays_groups_limits_or_retries() -> None:
    named = {
        name
        for tree in code().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dramatiq")
        for name in [*(node.module or "").split("."), *(alias.name for alias in node.names)]
    }
    sent = {
        f"{name}:{node.lineno}"
        for name, tree in code().items()
        if not name.startswith("tests/")
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "send_with_options"
    }

    assert named & _UNUSED == {"Retries"}  # a test looks whether they are there
    assert sent == set()
