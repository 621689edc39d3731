"""Sales told by many roads, out of order and again, while parts die: the books are exact."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import orjson
import pytest

from base.clock import now
from ops.bench import sales
from tests import make
from tests.fleet.fleet import STORES, Fleet
from tests.fleet.mail_server import mail_server
from tests.fleet.money_oracle import judge
from tests.fleet.money_roads import Address, Roads
from tests.fleet.money_sender import Sender
from tests.fleet.money_world import World, world
from tests.fleet.program import until

VICTIMS = ("payments", "worker", "upkeep", "journal", "postgres")
_ROLES = ("AFFILIATE", "VENDOR")
_METHODS = ("email", "download")
_PROGRESS = 40  # acks between one misfortune and the next


@pytest.fixture
def addresses(fleet: Fleet) -> dict[str, Address]:
    """Two accounts, each with a campaign for each way of delivering its bonus."""
    found = {}
    for role in _ROLES:
        user = fleet.user()
        clickbank = _key(fleet, user, "clickbank", "--secret", sales.SECRET, "--role", role)
        postback = _key(fleet, user, "postback")
        bearer = "".join(f"{name}: {value}\r\n" for name, value in fleet.key(user["id"]).items())
        for method in _METHODS:
            campaign = fleet.campaign(user_id=user["id"])
            name, file = campaign["tracking_id"], "https://files.example/b.pdf"
            with fleet.connect() as session:
                make.bonus(
                    session, campaign["id"], name=name, delivery_method=method, file_url=file
                )
            found[name] = Address(name, clickbank, postback, bearer, role)
    return found


def _key(fleet: Fleet, user: make.Made, network: str, *more: str) -> str:
    said = fleet.hopfleet("integrations", "add", network, "--user", user["email"], *more, "--json")
    return str(orjson.loads(said)["key"])


@contextmanager
def told(
    fleet: Fleet, addresses: dict[str, Address], found: World, pause: float
) -> Iterator[tuple[Sender, Roads]]:
    """The clicks, and behind them, without waiting for their rows, all that is told of money."""
    clicks = {
        name: [fleet.click(name).click_id or "" for _ in range(count)]
        for name, count in found.clicks.items()
    }
    assert all(all(ids) for ids in clicks.values())
    roads = Roads(addresses, clicks, now())
    with Sender(fleet.port, roads, found.tellings, pause_seconds=pause) as sender:
        yield sender, roads


def _strike(fleet: Fleet, sender: Sender, victim: str) -> None:
    """Kill it while it has something to lose, and start it again."""
    wanted = sender.acked + _PROGRESS
    until(lambda: sender.done or (sender.acked >= wanted and fleet.claimed()), 60, "work goes on")
    fleet.kill(victim)
    fleet.start(victim)
    if victim in STORES:
        fleet.until_ready()


def _settled(fleet: Fleet) -> bool:
    """Whether nothing is owed any more to anybody whose address is known."""
    rows = fleet.sql(
        "SELECT count(*) FROM bonus_deliveries WHERE state = 'running'"
        " OR (state = 'pending' AND next_attempt_at < '9000-01-01')"
    )
    return bool(rows[0][0] == 0)


@pytest.mark.parametrize(
    ("messages", "pause", "rounds"),
    [
        (2_000, 0.1, 1),
        pytest.param(100_000, 0.02, 20, marks=[pytest.mark.long, pytest.mark.timeout(3600)]),
    ],
)
def test_the_books_are_exact_whatever_is_killed(
    fleet: Fleet, addresses: dict[str, Address], messages: int, pause: float, rounds: int
) -> None:
    vendors = {name: each.role == "VENDOR" for name, each in addresses.items()}
    found = world(vendors, messages, seed=messages)
    dice = random.Random(messages)

    with (
        mail_server() as (smtp, mails),
        fleet.joined_by(
            payments=("worker", "webhooks", "bonuses"), environment={"HOPFLEET_SMTP_URL": smtp}
        ),
    ):
        with told(fleet, addresses, found, pause) as (sender, roads):
            for _ in range(rounds):
                for victim in dice.sample(VICTIMS, len(VICTIMS)):
                    _strike(fleet, sender, victim)
        fleet.until_drained(120)
        until(lambda: _settled(fleet), 120, "every bonus is delivered")

    assert sender.wrong == []
    assert sender.acked == len(found.tellings) >= messages
    assert len(mails.by_address) > messages // 50
    verdict = judge(fleet, found.truth, roads, mails.by_address)
    assert verdict.sound, verdict
