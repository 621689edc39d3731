"""The audit of a whole fleet: it balances whatever is killed, and says so when it does not."""

import json
import signal
from datetime import UTC, datetime, timedelta
from typing import Any

from base.clock import now
from journal.streams import Kind, items_key, stream
from tests.fleet.fleet import Fleet
from tests.fleet.program import until
from tests.fleet.visitors import Visitors

AHEAD = timedelta(minutes=3)


def _audit(fleet: Fleet) -> dict[str, Any]:
    """What `workers.maintenance.auditing` finds, the open minute included."""
    program = (
        "import sys, orjson\n"
        "from datetime import datetime\n"
        "from ops.cli.audit import _facts\n"
        "from ops.cli.output import dumps\n"
        "from workers.maintenance.auditing import audit_since\n"
        "since, at = map(datetime.fromisoformat, sys.argv[1:])\n"
        "sys.stdout.buffer.write(dumps(_facts(audit_since(since, at))))\n"
    )
    words = [str(now() - timedelta(hours=1)), str(now() + AHEAD)]
    done = fleet.python("-c", program, *words)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _sum(report: dict[str, Any], name: str) -> int:
    return sum(int(line[name]) for line in report["doors"])


def _told(fleet: Fleet, acked: int) -> bool:
    return bool(fleet.sql("SELECT coalesce(sum(acked), 0) FROM door_counts")[0][0] >= acked)


def test_events_that_the_journal_lost_are_missing_and_the_command_says_so(fleet: Fleet) -> None:
    # First in this file: what a killed door left unanswered could hide as many lost ones.
    campaign = fleet.campaign()
    fleet.until_drained()
    until(lambda: _audit(fleet)["surplus"] == 0, 30, "what was before has been told")
    fleet.kill("worker", "scheduler")
    before = fleet.sql("SELECT coalesce(sum(acked), 0)::bigint FROM door_counts")[0][0]
    lost = [fleet.click(campaign["tracking_id"]).click_id for _ in range(4)]
    with fleet.journal() as journal:
        journal.delete(stream(Kind.CLICKS), items_key(Kind.CLICKS))
    until(lambda: _told(fleet, before + len(lost)), 30, "the door has told")
    report = _audit(fleet)
    fleet.sql("UPDATE door_counts SET minute = minute - interval '10 minutes'")
    fleet.sql("UPDATE event_outcomes SET minute = minute - interval '10 minutes'")
    since = datetime.now(UTC) - timedelta(minutes=30)
    command = fleet.python("-m", "ops", "audit", "--since", since.isoformat())
    fleet.sql("UPDATE door_counts SET minute = minute + interval '10 minutes'")
    fleet.sql("UPDATE event_outcomes SET minute = minute + interval '10 minutes'")
    # For those who audit this fleet after us.
    fleet.sql(
        "INSERT INTO event_outcomes (minute, door, outcome, items)"
        " SELECT max(minute), 'r', 'discarded', 4 FROM door_counts"
    )
    fleet.start("worker", "scheduler")

    assert (report["missing"], report["ok"]) == (len(lost), False)
    assert command.returncode == 1
    assert f"{len(lost)} acknowledged events are MISSING" in command.stdout


def test_it_balances_after_every_process_was_killed_at_work(fleet: Fleet) -> None:
    campaign = fleet.campaign()
    before = fleet.sql("SELECT coalesce(sum(acked), 0)::bigint FROM door_counts")[0][0]
    path = f"GET /r/{campaign['tracking_id']}?sub1=%d HTTP/1.1\r\nHost: t\r\n\r\n"

    with Visitors(fleet.port, lambda number: (path % number).encode()) as visitors:
        for victim in ("ingest", "worker", "scheduler", "journal", "broker", "postgres"):
            wanted = len(visitors.acked) + 200
            until(lambda wanted=wanted: len(visitors.acked) >= wanted, 20, "acks")  # type: ignore[misc]
            fleet.restart(victim)
    fleet.until_ready()
    fleet.until_drained()
    until(lambda: _told(fleet, before + len(visitors.acked)), 30, "all doors have told")
    report = _audit(fleet)

    stored = len(fleet.stored(campaign["user_id"]))
    assert (report["missing"], report["surplus"], report["ok"]) == (0, 0, True)
    assert _sum(report, "waiting") == 0
    assert len(visitors.acked) <= stored <= len(visitors.acked) + len(visitors.unanswered)
    assert _sum(report, "acked") >= len(visitors.acked)


def test_what_waits_is_counted_by_door_wherever_it_lies(fleet: Fleet) -> None:
    campaign = fleet.campaign()
    fleet.click(campaign["tracking_id"])
    fleet.until_drained()
    fleet.kill("worker", "scheduler")
    for _ in range(3):
        fleet.click(campaign["tracking_id"])
    fleet.ask("GET", f"/p/{campaign['tracking_id']}.gif")
    in_journal = _audit(fleet)
    fleet.kill("journal")
    for _ in range(2):
        fleet.click(campaign["tracking_id"])
    fleet.start("journal")
    fleet.send("ingest", signal.SIGSTOP)
    spooled = _audit(fleet)
    fleet.send("ingest", signal.SIGCONT)
    fleet.start("worker", "scheduler")
    fleet.until_drained()

    waiting = {line["door"]: line["waiting"] for line in in_journal["doors"]}
    assert (waiting["r"], waiting["p"]) == (3, 1)
    assert {line["door"]: line["waiting"] for line in spooled["doors"]}["r"] == 5
    assert in_journal["missing"] == spooled["missing"] == 0
