"""The whole on one machine: from an empty folder to open doors, and back to silence."""

import orjson
import typer
from pydantic import SecretStr

from admin import processes
from base import clock
from base.errors import HopfleetError
from base.settings import Settings
from ops.local import doors, leftovers, ports, stores
from ops.local.drawing import draw, picture
from ops.local.fleet import Fleet, environment
from ops.local.folder import DataFolder
from ops.local.greeting import Demo, facts, greet, known_demo
from ops.local.leftovers import Register
from ops.local.logfiles import LogFile
from ops.local.screen import Screen
from ops.local.supervisor import StopAsked, Supervisor

_READY_SECONDS = 60.0  # then it is said; a store that replays may need longer
_LISTED_SECONDS = 5.0
_MOST_ENDS_BEFORE_READY = 5


def run(
    chosen: Settings,
    folder: DataFolder,
    screen: Screen,
    fleet: Fleet,
    *,
    demo: bool = True,
    json: bool = False,
) -> None:
    """Start everything and look after it until Ctrl-C, SIGTERM or SIGHUP; then stop it all.

    `chosen.port` 0 takes a free one. Raises `HopfleetError` with one sentence when something
    does not start; whatever had started is stopped by then.
    """
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
        found = _start_stores(chosen, supervisor, fleet)
        made = _prepare(chosen, supervisor, fleet, found, demo=demo)
        _start_fleet(chosen, supervisor, fleet, found)
        screen.say("\n" + _drawn(chosen, supervisor, found))
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


def _start_stores(chosen: Settings, supervisor: Supervisor, fleet: Fleet) -> dict[str, str]:
    """Start what is not elsewhere; returns the addresses of all, and publishes them."""
    for store in stores.embedded(chosen, supervisor.folder, fleet.sessions(chosen)):
        with supervisor.screen.step(f"Starting {store.title}"):
            supervisor.add_store(store)
    found = stores.addresses(chosen, supervisor.stores)
    stores.publish(supervisor.folder, {**found, "url": chosen.url})
    return found


def _environment(chosen: Settings, found: dict[str, str]) -> dict[str, str]:
    changes = {"data_dir": str(chosen.data_dir), "port": str(chosen.port), **found}
    return environment(changes)


def _prepare(
    chosen: Settings, supervisor: Supervisor, fleet: Fleet, found: dict[str, str], *, demo: bool
) -> Demo | None:
    """Tables and partitions, and on first run something to try."""
    env = _environment(chosen, found)
    with supervisor.screen.step("Bringing the database up to date"):
        if log := supervisor.run_once("migrate", fleet.migrate, env):
            raise HopfleetError(_failed("The database could not be brought up to date", log))
    if not demo:
        return None
    if not known_demo(supervisor.folder):
        with supervisor.screen.step("Making a campaign to try"):
            if log := supervisor.run_once("demo", fleet.demo, env):
                raise HopfleetError(_failed("The demo could not be made", log))
    return known_demo(supervisor.folder)


def _failed(what: str, log: LogFile) -> str:
    return f"{what} ({log.last_line()}): see {log.path}."


def _drawn(chosen: Settings, supervisor: Supervisor, found: dict[str, str]) -> str:
    """What runs where; those that start more slowly than the doors get a moment."""
    until = clock.steady() + _LISTED_SECONDS
    pids = {part.process.pid for part in supervisor.parts.values() if part.process}
    programs = {
        part.process.pid
        for program in supervisor.programs
        if (part := supervisor.parts[program.name]).process
    }
    while True:
        listed = [each for each in processes.running(chosen.data_dir) if each.pid in pids]
        # Who has no admin port is not listed: then nobody is, and there is no need to wait.
        if not listed or len(listed) == len(programs) or clock.steady() > until:
            break
        supervisor.glance()
        clock.sleep(0.05)
    stores = {name: SecretStr(address) for name, address in found.items()}
    children = supervisor.register.left_from_before()
    return draw(picture(chosen.model_copy(update=stores), listed, children, {}))


def _start_fleet(
    chosen: Settings, supervisor: Supervisor, fleet: Fleet, found: dict[str, str]
) -> None:
    """Start our processes and wait until the doors are open."""
    env = _environment(chosen, found)
    with supervisor.screen.step("Starting doors, workers and scheduler"):
        for program in fleet.programs:
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
