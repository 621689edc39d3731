"""`hopfleet queues`: what waits in the eight queues, and how they are worked on."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, NamedTuple

import typer

from base.clock import sleep
from base.errors import HopfleetError, Misused, StoreAway
from db import controls
from db.connection import Tx
from db.controls import DRAINING, MOST_THREADS, PAUSED, RUNNING, Control
from ops.cli import filling, output
from ops.cli.database import transaction
from ops.cli.progress import bar
from workers import depths, draining
from workers.queues import Queue

LOOK_SECONDS = 0.25

app = typer.Typer(invoke_without_command=True)

Names = Annotated[list[str], typer.Argument(metavar="QUEUE", help="One or more; `all` for all.")]


class QueueRow(NamedTuple):
    """One queue: how it is worked on, what waits and for how long the first; what is dead."""

    queue: str
    state: str  # running, draining, paused
    since: datetime | None  # since when; None while nobody said anything
    threads: int | None  # None: as each process was started
    depth: int
    oldest_seconds: float
    in_flight: int
    dead: int


@app.callback()
def queues(context: typer.Context, json: output.Json = False) -> None:
    """Show how much waits, since when, how much is being worked on, and what is dead."""
    if context.invoked_subcommand is not None:
        return
    rows = read()
    if json:
        output.print_json([row._asdict() for row in rows])
        return
    columns = tuple(name for name in QueueRow._fields if name != "since")
    output.print_table(columns, ([getattr(row, name) for name in columns] for row in rows))
    if stopped := " ".join(row.queue for row in rows if row.state == PAUSED):
        output.note(f"Paused: `hopfleet queues resume {stopped}` goes on.")
    for left in filling.read():
        output.note(left.says())
    if dead := sum(row.dead for row in rows):
        output.note(f"{dead:,} dead: `hopfleet dead list` shows them with their reasons.")


@app.command()
def pause(queues: Names, json: output.Json = False) -> None:
    """Stop work on queues within two seconds; what comes in is kept, and waits."""
    _set(queues, PAUSED, "is paused", json)


@app.command()
def resume(queues: Names, json: output.Json = False) -> None:
    """Go on with queues that are paused or drain."""
    _set(queues, RUNNING, "is worked on", json)


@app.command()
def drain(
    queues: Names,
    wait: Annotated[bool, typer.Option(help="Wait until they are drained and paused.")] = True,
    json: output.Json = False,
) -> None:
    """Work off all that waits now, then leave the queues paused, for instance before upkeep."""
    chosen = _chosen(queues)
    with transaction() as tx, _journal():
        wanted = {queue: draining.begin(tx, queue) for queue in chosen}
    if wait:
        for queue in chosen:
            _follow(queue, wanted[queue])
    _say(chosen, json, "is drained and paused" if wait else "drains, then it is paused")


@app.command("set")
def set_(
    queues: Names,
    threads: Annotated[
        int,
        typer.Option(
            min=0, max=MOST_THREADS, help="Runs of each actor at once in a worker; 0: its own."
        ),
    ],
    json: output.Json = False,
) -> None:
    """Change how much running workers do at once, within two seconds.

    Of clicks and conversions so many threads store events at once while a backlog is there, one
    when there is none. More than HOPFLEET_POOL_MAX connections nobody has.
    """
    chosen = _chosen(queues)
    with transaction() as tx:
        for queue in chosen:
            controls.set_threads(tx, queue, threads or None)
    _say(chosen, json, f"runs {threads} at once in each worker" if threads else "runs as set up")


def _chosen(names: list[str]) -> list[Queue]:
    if names == ["all"]:
        return list(Queue)
    if unknown := [name for name in names if name not in list(Queue)]:
        raise Misused(f"No such queue: {', '.join(unknown)}; the queues are {', '.join(Queue)}.")
    return list(dict.fromkeys(map(Queue, names)))


def _set(names: list[str], state: str, told: str, json: bool) -> None:
    chosen = _chosen(names)
    with transaction() as tx:
        for queue in chosen:
            controls.set_state(tx, queue, state)
    _say(chosen, json, told)


def _say(chosen: list[Queue], json: bool, told: str) -> None:
    if json:
        with transaction() as tx:
            known = controls.read(tx)
        said = [{"queue": str(one), **_shown(known.get(one, Control()))} for one in chosen]
        output.print_json(said)
        return
    for queue in chosen:
        output.say(f"{queue} {told}.")


def _shown(control: Control) -> dict[str, object]:
    return {"state": control.state, "since": control.since, "threads": control.threads}


def _follow(queue: Queue, wanted: draining.Marks) -> None:
    """Show how a queue drains until it is paused; the scheduler does the same without us."""
    with bar(f"Draining {queue}", wanted["total"], "") as shown:
        while True:
            with transaction() as tx, _journal():
                left = draining.left(tx, queue, wanted)
                shown.to(left.total - left.now)
                if left.now == 0:
                    controls.drained(tx, queue, wanted)
                control = controls.read(tx).get(queue, Control())
            if control.state == PAUSED:
                return
            if control.state != DRAINING or control.marks != wanted:
                raise HopfleetError(f"Somebody else told {queue} something: it is {control.state}.")
            sleep(LOOK_SECONDS)


def read() -> list[QueueRow]:
    """One row a queue; raises one sentence when a store is away."""
    with transaction() as tx, _journal():
        return _rows(tx)


def _rows(tx: Tx) -> list[QueueRow]:
    known = controls.read(tx)
    rows = []
    for one in depths.read(tx):
        control = known.get(one.queue, Control())
        rows.append(
            QueueRow(
                str(one.queue), control.state, control.since, control.threads, one.depth,
                one.oldest_seconds, one.in_flight, sum(one.dead.values()),
            )
        )  # fmt: skip
    return rows


@contextmanager
def _journal() -> Iterator[None]:
    """The journal's troubles as sentences."""
    try:
        yield
    except StoreAway as error:
        raise StoreAway(
            "The journal does not answer: start its Redis, or correct HOPFLEET_JOURNAL_URL."
        ) from error
    except ValueError as error:
        raise Misused(
            "HOPFLEET_JOURNAL_URL is no address of a Redis: it looks like redis://host:6379/0."
        ) from error
