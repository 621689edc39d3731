"""`hopfleet up`: everything on this machine, from nothing, until Ctrl-C."""

import errno
from pathlib import Path
from typing import Annotated

import orjson
import typer

from base import clock
from base.errors import HopfleetError
from base.settings import Settings, settings
from ops.local import doors, fleet, leftovers, ports, reasons, stores
from ops.local.folder import DataFolder
from ops.local.greeting import Demo, facts, greet, known_demo
from ops.local.leftovers import Register
from ops.local.logfiles import LogFile
from ops.local.screen import Screen
from ops.local.supervisor import StopAsked, Supervisor

app = typer.Typer()

_READY_SECONDS = 60.0  # then it is said; a store that replays may need longer
_MOST_ENDS_BEFORE_READY = 5


@app.command()
def up(
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Where the doors listen; 0: any.")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Where everything is kept (else HOPFLEET_DATA_DIR).")
    ] = None,
    demo: Annotated[bool, typer.Option(help="Make a campaign to try on first run.")] = True,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object when ready.")] = False,
) -> None:
    """Start stores, doors, workers and scheduler, and keep them running until Ctrl-C."""
    chosen = settings()
    folder = DataFolder(data_dir or chosen.data_dir)
    door = chosen.port if port is None else port
    chosen = chosen.model_copy(update={"port": door, "data_dir": folder.path})
    try:
        _up(chosen, folder, Screen(quiet=json), demo=demo, json=json)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise HopfleetError(reasons.full_disk(folder.path)) from error


def _up(chosen: Settings, folder: DataFolder, screen: Screen, *, demo: bool, json: bool) -> None:
    folder.open()
    register = Register(folder.children_file)
    if left := register.left_from_before():
        with screen.step(f"Ending {len(left)} processes of an earlier start"):
            leftovers.end(left)
    if chosen.port == 0:
        chosen = chosen.model_copy(update={"port": ports.free_port()})
    ports.require_free(chosen.host, chosen.port, "choose another with --port")
    folder.require_space()
    supervisor = Supervisor(folder, screen, register)
    supervisor.listen()
    began = clock.steady()
    try:
        found = _start_stores(chosen, supervisor)
        made = _prepare(chosen, supervisor, found, demo=demo)
        _start_fleet(chosen, supervisor, found)
        greet(chosen, folder, screen, made, clock.steady() - began)
        if json:
            typer.echo(orjson.dumps(facts(chosen, folder, made)))
        supervisor.run()
    except StopAsked:
        pass
    finally:
        with screen.step("Stopping"):
            supervisor.stop()
    screen.say(f"Stopped; the data is in {folder.path}.")


def _start_stores(chosen: Settings, supervisor: Supervisor) -> dict[str, str]:
    """Start what is not elsewhere; returns the addresses of all, and publishes them."""
    for store in stores.embedded(chosen, supervisor.folder, processes=len(fleet.FLEET)):
        with supervisor.screen.step(f"Starting {store.title}"):
            supervisor.add_store(store)
    found = stores.addresses(chosen, supervisor.stores)
    stores.publish(supervisor.folder, {**found, "url": chosen.url})
    return found


def _environment(chosen: Settings, found: dict[str, str]) -> dict[str, str]:
    changes = {"data_dir": str(chosen.data_dir), "port": str(chosen.port), **found}
    return fleet.environment(changes)


def _prepare(
    chosen: Settings, supervisor: Supervisor, found: dict[str, str], *, demo: bool
) -> Demo | None:
    """Tables and partitions, and on first run something to try."""
    env = _environment(chosen, found)
    with supervisor.screen.step("Bringing the database up to date"):
        if log := supervisor.run_once("migrate", fleet.MIGRATE, env):
            raise HopfleetError(_failed("The database could not be brought up to date", log))
    if not demo:
        return None
    if not known_demo(supervisor.folder):
        with supervisor.screen.step("Making a campaign to try"):
            if log := supervisor.run_once("demo", fleet.DEMO, env):
                raise HopfleetError(_failed("The demo could not be made", log))
    return known_demo(supervisor.folder)


def _failed(what: str, log: LogFile) -> str:
    return f"{what} ({log.last_line()}): see {log.path}."


def _start_fleet(chosen: Settings, supervisor: Supervisor, found: dict[str, str]) -> None:
    """Start our processes and wait until the doors are open."""
    env = _environment(chosen, found)
    with supervisor.screen.step("Starting doors, workers and scheduler"):
        for program in fleet.FLEET:
            supervisor.add_program(program, env)
        until = clock.steady() + _READY_SECONDS
        ingest = supervisor.parts["ingest"]
        while not doors.ready(chosen.host, chosen.port):
            supervisor.glance()
            if ingest.ends >= _MOST_ENDS_BEFORE_READY:
                raise HopfleetError(f"The doors do not open: see {ingest.log.path}.")
            if clock.steady() > until:
                supervisor.screen.warn(f"The doors are not ready yet: see {ingest.log.path}.")
                return
            clock.sleep(0.05)
