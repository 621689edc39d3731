"""How processes end, or stand still: in seconds, with nothing claimed, owed or written twice."""

import signal
import socket
from contextlib import ExitStack

from journal.streams import GROUP, Kind, stream
from tests.fleet.fleet import Fleet
from tests.fleet.program import until
from tests.fleet.visitors import Visitors, clicks

STOP_SECONDS = 5
TAKEN_OVER_SECONDS = 16  # ten of silence, then a look every two


def test_a_worker_stopped_inside_its_transaction_is_taken_over(fleet: Fleet) -> None:
    campaign = fleet.campaign()
    name, user = campaign["tracking_id"], campaign["user_id"]

    with fleet.rows_blocked():
        acked = [fleet.click(name).click_id for _ in range(10)]
        until(lambda: fleet.blocked_writers("worker"), 2, "the worker is inside its transaction")
        fleet.send("worker", signal.SIGSTOP)
    held = fleet.claimed(fleet.pid("worker"))
    fleet.start("relief")
    took = until(lambda: len(fleet.stored(user)) == 10, TAKEN_OVER_SECONDS, "all is taken over")
    said = len(fleet.programs["worker"].said(0))
    fleet.send("worker", signal.SIGCONT)
    until(lambda: fleet.programs["worker"].says("postponed", said), 10, "it noticed its loss")
    acked += [fleet.click(name).click_id for _ in range(10)]
    fleet.until_drained()
    fleet.kill("relief")

    assert held > 0
    assert took > 1  # it really stood in the way for a while
    assert sorted(fleet.stored(user)) == sorted(map(str, acked))
    assert fleet.dead() == []


def test_a_worker_that_is_told_to_stop_finishes_and_claims_nothing_more(fleet: Fleet) -> None:
    campaign = fleet.campaign()
    fleet.kill("worker")
    fleet.start("single")

    with Visitors(fleet.port, clicks(campaign["tracking_id"])) as visitors:
        until(lambda: len(visitors.acked) > 500, 10, "the load runs")
        with fleet.rows_blocked():
            until(lambda: fleet.blocked_writers("single"), 5, "it is inside its transaction")
            before = _delivered(fleet)
            fleet.send("single", signal.SIGTERM)
            until(lambda: len(visitors.acked) > 1500, 10, "more waits meanwhile")
        took = until(lambda: not fleet.programs["single"].running(), STOP_SECONDS, "it has ended")
        after = _delivered(fleet)
        left = fleet.claimed(fleet.pid("single"))
    fleet.start("worker")
    fleet.until_drained()

    assert took < STOP_SECONDS
    assert after == before
    assert left == 0
    assert sorted(fleet.stored(campaign["user_id"])) == sorted(visitors.acked)


def _delivered(fleet: Fleet) -> bytes:
    """The last batch that was given to any worker."""
    with fleet.journal() as connection:
        groups = connection.xinfo_groups(stream(Kind.CLICKS))
    return next(
        bytes(each["last-delivered-id"]) for each in groups if each["name"] == GROUP.encode()
    )


def test_a_worker_under_load_stops_within_five_seconds(fleet: Fleet) -> None:
    campaign = fleet.campaign()

    with Visitors(fleet.port, clicks(campaign["tracking_id"])) as visitors:
        until(lambda: fleet.claimed() and len(visitors.acked) > 500, 10, "it is busy")
        took = fleet.programs["worker"].terminate()
        left = fleet.claimed(fleet.pid("worker"))
    fleet.start("worker")
    fleet.until_drained()

    assert took < STOP_SECONDS
    assert left == 0
    assert visitors.acked.keys() <= set(fleet.stored(campaign["user_id"]))


def test_doors_that_are_told_to_stop_answer_what_they_owe(fleet: Fleet) -> None:
    campaign = fleet.campaign()
    request = f"GET /r/{campaign['tracking_id']} HTTP/1.1\r\nHost: t\r\n\r\n".encode()
    fleet.click(campaign["tracking_id"])
    fleet.until_drained()

    with ExitStack() as stack:
        clients = [
            stack.enter_context(socket.create_connection(("127.0.0.1", fleet.port), 10))
            for _ in range(32)
        ]
        fleet.send("journal", signal.SIGSTOP)  # so that no answer can be given yet
        for client in clients:
            client.sendall(request)
        fleet.ask("GET", "/healthz")  # behind them in the same loop: they have arrived
        took = fleet.programs["ingest"].terminate()
        fleet.send("journal", signal.SIGCONT)
        answers = [_all(client) for client in clients]
    fleet.start("ingest")
    fleet.until_drained()

    assert took < STOP_SECONDS
    assert {answer.split(b" ", 2)[1] for answer in answers} == {b"302"}
    assert all(b"X-Click-Id: " in answer for answer in answers)
    assert len(set(fleet.stored(campaign["user_id"]))) == 33


def _all(client: socket.socket) -> bytes:
    with client.makefile("rb") as answers:
        return answers.read()
