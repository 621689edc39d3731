"""Every command of compose.yaml, run: a click goes through the whole composed fleet."""

from collections.abc import Iterator
from http.client import HTTPConnection

import psutil
import pytest
import redis
import yaml
from redis.backoff import NoBackoff
from redis.retry import Retry

from db import keys
from tests import make
from tests.fleet.program import until
from tests.ops.composed import SECRETS, STORES, Composed, composed
from tests.reading import ROOT


@pytest.fixture(scope="module")
def fleet() -> Iterator[Composed]:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    with composed(services) as made:
        until(lambda: status(made, "/readyz") == 200, 60, "the doors are ready")
        yield made


def ask(
    fleet: Composed, method: str, target: str, body: str | None = None, **headers: str
) -> tuple[int, dict[str, str]]:
    connection = HTTPConnection("127.0.0.1", fleet.port, timeout=10)
    try:
        connection.request(method, target, body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()


def status(fleet: Composed, target: str) -> int:
    try:
        return ask(fleet, "GET", target)[0]
    except OSError:
        return 0


def test_every_service_runs_its_command_and_says_that_it_has_started(fleet: Composed) -> None:
    ours = [name for name in fleet.services if name not in (*STORES, "migrate")]

    for name in ours:
        until(lambda name=name: ".started" in fleet.said(name), 60, f"{name} starts")  # type: ignore[misc]
    ended = [name for name, process in fleet.running.items() if process.poll() is not None]
    assert ended == []
    assert {*ours, *STORES} == set(fleet.running)


def test_a_click_and_a_sale_become_rows(fleet: Composed) -> None:
    with fleet.connect() as session:
        campaign = make.campaign(session, tracking_id="composed")
        token = keys.add(session, campaign["user_id"], "test")[1]

        code, headers = ask(fleet, "GET", "/r/composed")
        sold, _ = ask(
            fleet, "POST", "/v1/events",
            '{"type": "conversion", "tracking_id": "composed", "amount": "12.50"}',
            Authorization=f"Bearer {token}",
        )  # fmt: skip

        def stored() -> list[str]:
            found = session.execute("SELECT event_type FROM analytics_events ORDER BY 1")
            return [row[0] for row in found]

        until(lambda: stored() == ["click", "conversion"], 10, "both are rows")
    assert (code, sold) == (302, 202)
    assert headers["x-click-id"]


def test_the_stores_ask_for_their_passwords_and_are_set_as_stated(fleet: Composed) -> None:
    for name in ("journal", "broker"):
        once = Retry(NoBackoff(), 0)
        stranger = redis.Redis(port=fleet.ports[name], retry=once)
        with stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()
    with redis.Redis(
        port=fleet.ports["journal"],
        password=SECRETS["HOPFLEET_JOURNAL_PASSWORD"],
        decode_responses=True,
    ) as journal:
        assert journal.config_get("appendfsync")["appendfsync"] == "always"
    with fleet.connect() as session:
        assert session.execute("SHOW max_connections").fetchone() == ("300",)


def test_no_secret_stands_in_a_command_line_or_a_log(fleet: Composed) -> None:
    lines = [
        " ".join(one.cmdline())
        for process in fleet.running.values()
        for one in (psutil.Process(process.pid), *psutil.Process(process.pid).children())
    ]
    logs = [fleet.said(name) for name in fleet.running]

    for secret in SECRETS.values():
        assert not any(secret in text for text in [*lines, *logs])
