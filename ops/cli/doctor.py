"""`hopfleet doctor`: each store and setting, how it is, and what to do about it."""

import threading
from collections.abc import Callable, Iterator

import typer

from base.clock import steady
from base.errors import HopfleetError
from ops.cli import (
    doctor_audit,
    doctor_bonuses,
    doctor_broker,
    doctor_calls,
    doctor_database,
    doctor_host,
    doctor_payments,
    doctor_products,
    doctor_redis,
    doctor_work,
    doctor_workflows,
    output,
)
from ops.cli.findings import SIGNS, Finding, Status, broken

CHECKS: tuple[tuple[str, Callable[[], Iterator[Finding]]], ...] = (
    ("PostgreSQL", doctor_database.check),
    ("journal", doctor_redis.check_journal),
    ("room", doctor_redis.check_room),
    ("broker", doctor_redis.check_broker),
    ("broker's server", doctor_broker.check),
    ("work", doctor_work.check),
    ("audit", doctor_audit.check),
    ("payments", doctor_payments.check),
    ("bonuses", doctor_bonuses.check),
    ("calls", doctor_calls.check),
    ("workflows", doctor_workflows.check),
    ("products", doctor_products.check),
    ("spool", doctor_host.check_spool),
    ("settings", doctor_host.check_settings),
)

# Stores that are stopped and not closed answer nobody: each check has so long, all at once.
BUDGET_SECONDS = 3.0
_LATE = (
    f"It did not answer within {BUDGET_SECONDS:.0f} s: look whether a store is stopped, overloaded"
    " or cut off."
)

app = typer.Typer()


@app.command()
def doctor(json: output.Json = False) -> None:
    """Check stores and settings; exit code 1 when something is broken."""
    begun = [_Look(name, check) for name, check in CHECKS]
    until = steady() + BUDGET_SECONDS
    found = [finding for look in begun for finding in look.found(until)]
    is_well = not any(one.status == Status.BROKEN for one in found)
    if json:
        output.print_json({"ok": is_well, "checks": [one._asdict() for one in found]})
    else:
        output.print_table(
            ("", "check", "finding"), ([SIGNS[one.status], one.check, one.says] for one in found)
        )
    if not is_well:
        raise typer.Exit(1)


class _Look:
    """One check in a thread of its own, which is left alone when it takes too long."""

    def __init__(self, name: str, check: Callable[[], Iterator[Finding]]) -> None:
        self._name, self._check = name, check
        self._found: list[Finding] = []
        self._bug: Exception | None = None
        self._thread = threading.Thread(target=self._run, name=f"doctor-{name}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            for finding in self._check():
                self._found.append(finding)
        except HopfleetError as error:
            self._found.append(broken(self._name, str(error)))
        except Exception as error:
            self._bug = error

    def found(self, until: float) -> list[Finding]:
        """A check's findings; what keeps it from going on is one, too."""
        self._thread.join(max(0.0, until - steady()))
        if self._bug is not None:
            raise self._bug
        late = self._thread.is_alive()
        return self._found + [broken(self._name, _LATE)] * late
