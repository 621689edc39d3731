"""`hopfleet doctor`: each store and setting, how it is, and what to do about it."""

from collections.abc import Callable, Iterator

import typer

from base.errors import HopfleetError
from ops.cli import doctor_audit, doctor_database, doctor_host, doctor_redis, output
from ops.cli.findings import SIGNS, Finding, Status, broken

CHECKS: tuple[tuple[str, Callable[[], Iterator[Finding]]], ...] = (
    ("PostgreSQL", doctor_database.check),
    ("journal", doctor_redis.check_journal),
    ("room", doctor_redis.check_room),
    ("broker", doctor_redis.check_broker),
    ("work", doctor_redis.check_work),
    ("audit", doctor_audit.check),
    ("spool", doctor_host.check_spool),
    ("settings", doctor_host.check_settings),
)

app = typer.Typer()


@app.command()
def doctor(json: output.Json = False) -> None:
    """Check stores and settings; exit code 1 when something is broken."""
    found = [finding for name, check in CHECKS for finding in _run(name, check)]
    is_well = not any(one.status == Status.BROKEN for one in found)
    if json:
        output.print_json({"ok": is_well, "checks": [one._asdict() for one in found]})
    else:
        output.print_table(
            ("", "check", "finding"), ([SIGNS[one.status], one.check, one.says] for one in found)
        )
    if not is_well:
        raise typer.Exit(1)


def _run(name: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """A check's findings; what keeps it from going on is one, too."""
    try:
        yield from check()
    except HopfleetError as error:
        yield broken(name, str(error))
