"""`hopfleet status`: what runs on this host for the data folder, and what it does right now."""

from datetime import timedelta
from typing import Any

import typer

from base import clock
from base.errors import HopfleetError
from base.settings import settings
from db import oddities
from ops.cli import doctor_workflows, filling, output, queues
from ops.cli.database import transaction
from ops.local import asking
from ops.local.asking import Told, total
from ops.local.drawing import draw, picture
from ops.local.folder import DataFolder
from ops.local.leftovers import Register

MEASURE_SECONDS = 1.0
ODD_BACK = timedelta(hours=24)
# What a process is measured by: its role, the counter, and how that is said.
PACES = {
    "ingest": ("hopfleet_events_acknowledged_total", "{:,.0f} events/s on disk"),
    "worker": ("hopfleet_rows_stored_total", "{:,.0f} rows/s stored"),
}

app = typer.Typer()


@app.command()
def status(json: output.Json = False) -> None:
    """Draw what runs here, how fast it works, what waits, and how long there is room."""
    chosen = settings()
    first = asking.ask(chosen.data_dir)
    if not first:
        raise HopfleetError(
            f"No process of Hopfleet runs on {chosen.data_dir}: start them with `hopfleet up`, or"
            " name their folder in HOPFLEET_DATA_DIR."
        )
    began = clock.steady()
    clock.sleep(MEASURE_SECONDS)
    second = asking.ask(chosen.data_dir)
    paces = _paces(first, second, clock.steady() - began)
    if json:
        output.print_json(_facts(second, paces))
        return
    children = Register(DataFolder(chosen.data_dir).children_file).left_from_before()
    says = {each.running.pid: _says(each, paces) for each in second}
    told = {pid: text for pid, text in says.items() if text}
    output.say(draw(picture(chosen, [each.running for each in second], children, told)))
    waiting = [row for row in queues.read() if row.depth or row.dead]
    if waiting:
        output.print_table(("queue", "waits", "oldest", "dead"), (
            (row.queue, f"{row.depth:,}", f"{row.oldest_seconds:,.1f} s", f"{row.dead:,}")
            for row in waiting
        ))  # fmt: skip
    else:
        output.say("Nothing waits.")
    for left in filling.read():
        output.say(left.says())
    if odd := ", ".join(f"{count:,} {kind}" for kind, count in _odd().items() if count):
        output.say(f"Odd orders of the last 24 h: {odd}; `hopfleet conversions list` shows them.")
    if wrong := doctor_workflows.words():
        output.say(f"Workflows: {wrong}; `hopfleet workflows list` shows them.")


def _odd() -> dict[str, int]:
    """Orders that a person may want to look at, by kind."""
    with transaction() as tx:
        return oddities.counts(tx, clock.now() - ODD_BACK)


def _paces(first: list[Told], second: list[Told], seconds: float) -> dict[int, float]:
    """What each process did a second meanwhile, by pid."""
    before = {each.running.pid: each.numbers for each in first}
    found = {}
    for each in second:
        pid, role = each.running.pid, each.running.role
        if role in PACES and each.numbers and before.get(pid):
            name = PACES[role][0]
            found[pid] = max(0.0, total(each.numbers, name) - total(before[pid], name)) / seconds
    return found


def _says(told: Told, paces: dict[int, float]) -> str:
    if not told.alive:
        return "does not answer, or a part is dead"
    pid, role = told.running.pid, told.running.role
    return PACES[role][1].format(paces[pid]) if pid in paces else ""


def _facts(told: list[Told], paces: dict[int, float]) -> dict[str, Any]:
    return {
        "processes": [
            {
                "role": each.running.role,
                "pid": each.running.pid,
                "host": each.running.host,
                "alive": each.alive,
                "admin": each.running.admin,
                "door": each.running.door,
                "queues": each.running.queues,
                "per_second": round(paces.get(each.running.pid, 0.0), 1),
            }
            for each in told
        ],
        "queues": [row._asdict() for row in queues.read()],
        "room": [left._asdict() for left in filling.read()],
        "odd_orders": _odd(),
    }
