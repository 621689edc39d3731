"""A sender's own event id counts once per user, however often and through whatever it is sent."""

from tests.fleet.fleet import Fleet
from tests.fleet.program import until
from tests.make import Made


def _post(fleet: Fleet, campaign: Made, key: dict[str, str], event_id: str) -> str:
    """Post one conversion; its click id."""
    event = '{"type":"conversion","tracking_id":"%s","event_id":"%s","amount":"10.00"}'
    answer = fleet.ask("POST", "/v1/events", key, event % (campaign["tracking_id"], event_id))
    assert answer.status == 202
    return answer.body.partition(b'"click_id":"')[2][:32].decode()


def test_an_event_id_sent_again_and_again_makes_one_row_per_user(fleet: Fleet) -> None:
    ours, theirs = fleet.campaign(), fleet.campaign()
    key, their_key = fleet.key(ours["user_id"]), fleet.key(theirs["user_id"])

    first = _post(fleet, ours, key, "order-1")
    fleet.until_drained()
    with fleet.rows_blocked():
        _post(fleet, ours, key, "order-1")
        another = _post(fleet, ours, key, "order-2")
        until(lambda: fleet.blocked_writers("worker"), 3, "the worker is inside its transaction")
        fleet.kill("worker")
    _post(fleet, ours, key, "order-1")
    their = _post(fleet, theirs, their_key, "order-1")
    fleet.start("worker")
    fleet.until_drained()

    assert sorted(fleet.stored(ours["user_id"])) == sorted([first, another])
    assert fleet.stored(theirs["user_id"]) == [their]
    assert fleet.dead() == []


def test_an_event_id_twice_in_one_body_makes_one_row(fleet: Fleet) -> None:
    campaign = fleet.campaign()
    event = f'{{"type":"click","tracking_id":"{campaign["tracking_id"]}","event_id":"one"}}'

    answer = fleet.ask(
        "POST", "/v1/events", fleet.key(campaign["user_id"]), f"[{event},{event},{event}]"
    )
    fleet.until_drained()

    assert answer.status == 202
    assert len(fleet.stored(campaign["user_id"])) == 1
