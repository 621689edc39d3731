"""With RabbitMQ as broker everything is as before, and it may die, forget and refuse."""

from collections.abc import Iterator

import pytest

from tests import rabbitmq
from tests.fleet.fleet import PROGRAMS, Fleet
from tests.fleet.program import until
from tests.rabbitmq import Rabbit

pytestmark = [
    pytest.mark.rabbitmq,
    pytest.mark.skipif(rabbitmq.scripts() is None, reason="rabbitmq-server is not installed"),
]

VISIBLE_SECONDS = 3
QUEUES = ("clicks", "conversions", "maintenance")


@pytest.fixture(scope="module")
def rabbit() -> Iterator[Rabbit]:
    made = Rabbit()
    yield made
    made.end()


@pytest.fixture(scope="module")
def whole(rabbit: Rabbit) -> Iterator[Fleet]:
    """A fleet that has no other broker and no HOPFLEET_REDIS_URL; made before RabbitMQ answers."""
    fleet = Fleet(broker_url=rabbit.url)
    rabbit.wait()
    yield fleet
    fleet.end()


@pytest.fixture
def fleet(whole: Fleet, rabbit: Rabbit) -> Iterator[Fleet]:
    """That fleet, with all its programs alive before and after, and no password in its logs."""
    until(lambda: all(rabbit.consumers(queue) for queue in QUEUES), 15, "workers consume")
    pids = {name: whole.pid(name) for name in PROGRAMS}
    yield whole
    assert {name: whole.pid(name) for name in PROGRAMS if whole.programs[name].running()} == pids
    for name in PROGRAMS:
        assert rabbit.password not in whole.programs[name].said(0)


def clicks(fleet: Fleet, user: object, *acked: str | None) -> None:
    """Wait until exactly these clicks are stored."""
    wanted = sorted(map(str, acked))
    until(lambda: sorted(fleet.stored(user)) == wanted, VISIBLE_SECONDS, "every click is visible")


def test_a_click_is_a_row_before_the_scheduler_looks(fleet: Fleet) -> None:
    campaign = fleet.campaign()

    acked = [fleet.click(campaign["tracking_id"]).click_id for _ in range(20)]

    clicks(fleet, campaign["user_id"], *acked)
    assert fleet.dead() == []
