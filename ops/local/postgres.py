"""An embedded PostgreSQL: made, started, and prepared for Hopfleet in a folder of its own."""

import shutil
import signal
import subprocess
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from base.errors import HopfleetError
from ops.local import machine, ports, reasons
from ops.local.binaries import SETTING, major_version, postgres_programs
from ops.local.server import (
    QUIET,
    Hooks,
    NotStarted,
    Server,
    end_strays,
    launch,
    secret_in,
    tail,
    wait_until_ready,
)
from ops.local.unprivileged import Account, account, home

NAME = "PostgreSQL"
ROLE = DATABASE = "hopfleet"
_ADMIN = "postgres"
_REPLAYING = "PostgreSQL is replaying what it had not yet written when it was stopped hard …"


def start_postgres(
    folder: Path,
    port: int = 0,
    *,
    log: Path | None = None,
    connections: int = 100,
    hooks: Hooks = QUIET,
) -> Server:
    """Start the PostgreSQL of `folder`, which is made on first use; returns when it answers.

    Listens on 127.0.0.1 only, with passwords; `port` 0 takes last time's or a free one. The
    address is of role `hopfleet`, owner of database `hopfleet`, who may make databases but is
    no superuser. Raises `NotStarted` or `HopfleetError` with one sentence that says what to do.
    """
    folder = folder.absolute()
    runs_as = account(folder / "data")
    programs = postgres_programs(runs_as)
    base = home(folder, runs_as)
    runs_as = account(base / "data")
    log = log or folder / "log"
    major = major_version(programs, runs_as)
    if not (base / "data" / "PG_VERSION").exists():
        hooks.say("Making a new PostgreSQL database …")
        _initialise(base, programs, major, runs_as)
    _check_major(base, major)
    _end_leftovers(base / "data")
    port = ports.remembered(folder, port, "choose another for PostgreSQL")
    process = _launch(base, programs, port, connections, runs_as, log)
    hooks.launched("postgres", process, signal.SIGINT.name)
    ready: list[str | Path] = [programs / "pg_isready", "-q", "-h", ports.LOOPBACK, "-p", str(port)]
    if not wait_until_ready(
        process, lambda: subprocess.run(ready, **runs_as.options).returncode == 0, _REPLAYING, hooks
    ):
        raise NotStarted(reasons.why(NAME, SETTING, tail(log), folder, log))
    return Server(
        "postgres", _prepare(base, port), port, process, folder, log,
        # Fast, then at once: never "smart", which waits for every client to leave.
        stop_signals=(signal.SIGINT, signal.SIGQUIT),
    )  # fmt: skip


def _initialise(base: Path, programs: Path, major: int, runs_as: Account) -> None:
    """Make the cluster beside its place and move it there, so that half a one is never used."""
    fresh = base / "data.new"
    shutil.rmtree(fresh, ignore_errors=True)
    secret_in(base / "admin-password", runs_as.owner)
    made = None
    for locale in _locales(major):
        made = subprocess.run(
            [programs / "initdb", "-D", fresh, "-U", _ADMIN, "-E", "UTF8", *locale,
             "-A", "scram-sha-256", f"--pwfile={base / 'admin-password'}"],
            capture_output=True, text=True, **runs_as.options,
        )  # fmt: skip
        if made.returncode == 0:
            fresh.rename(base / "data")
            return
        if "invalid locale" not in made.stderr:
            break
    shutil.rmtree(fresh, ignore_errors=True)
    text = made.stderr if made else ""
    raise NotStarted(reasons.why(NAME, SETTING, text, base, base / "log"))


def _locales(major: int) -> list[list[str]]:
    """The options to try: the same order of texts on every machine, as fast as bytes compare."""
    if major >= 17:
        return [["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]]
    return [["--locale=C.UTF-8"], ["--locale=C"]]


def _check_major(base: Path, major: int) -> None:
    made_by = int((base / "data" / "PG_VERSION").read_text())
    if made_by != major:
        raise HopfleetError(
            f"{base} was made by PostgreSQL {made_by} and these programs are {major}: set"
            f" HOPFLEET_PG_BINDIR to programs of {made_by}, or start with another --data-dir."
        )


def _end_leftovers(data: Path) -> None:
    """Make room after a hard stop: sessions that outlived their server, and its stale pid file.

    A pid file whose number now belongs to another program would stop the start for ever.
    """
    file = data / "postmaster.pid"
    try:
        pid = int(file.read_text().splitlines()[0])
    except (OSError, ValueError, IndexError):
        return
    if _is_postmaster(pid, data):
        raise HopfleetError(
            f"Another PostgreSQL (process {pid}) already works in {data}: stop it with"
            f" `kill -INT {pid}`, then start again."
        )
    end_strays("postgres", data)
    file.unlink(missing_ok=True)


def _is_postmaster(pid: int, data: Path) -> bool:
    try:
        process = psutil.Process(pid)
        return (
            process.name() == "postgres"
            and process.status() != psutil.STATUS_ZOMBIE
            and Path(process.cwd()) == data.resolve()
        )
    except (psutil.Error, OSError):
        return False


def _launch(
    base: Path, programs: Path, port: int, connections: int, runs_as: Account, log: Path
) -> "subprocess.Popen[bytes]":
    settings = {
        "listen_addresses": ports.LOOPBACK,
        "port": port,
        "unix_socket_directories": "",  # one way in is enough, and its path may be too long
        "timezone": "UTC",
        "log_timezone": "UTC",
        "max_connections": connections,
        **_sizes(base),
    }
    argv = [str(programs / "postgres"), "-D", str(base / "data")]
    for name, value in settings.items():
        argv += ["-c", f"{name}={value}"]
    try:
        return launch(argv, log, runs_as.options)
    except OSError as error:
        raise NotStarted(reasons.of_system_error(NAME, SETTING, error, base)) from error


def _sizes(base: Path) -> dict[str, str]:
    """Memory and write-ahead log that suit the machine, for many small commits."""
    roomy = machine.free_disk_bytes(base) > 20 * 1024**3
    return {
        "shared_buffers": f"{machine.share_mib(1 / 8, 128, 1024)}MB",
        "effective_cache_size": f"{machine.share_mib(1 / 2, 256, 64 * 1024)}MB",
        "maintenance_work_mem": f"{machine.share_mib(1 / 32, 64, 256)}MB",
        "work_mem": "8MB",
        "wal_buffers": "16MB",
        # Rare checkpoints: right after one, every page goes to the log whole.
        "max_wal_size": "4GB" if roomy else "1GB",
        "checkpoint_timeout": "15min",
        "wal_compression": "pglz",  # the only one that every build has
        "random_page_cost": "1.1",  # disks without a moving arm
        "jit": "off",  # costs more than our short statements take
    }


def _prepare(base: Path, port: int) -> str:
    """Make role and database when they are missing; returns the role's address."""
    password = secret_in(base / "password")
    if not (base / "prepared").exists():
        admin = secret_in(base / "admin-password")
        with _connect(port, admin) as session:
            _make_role(session, password)
            _make_database(session)
        (base / "prepared").touch()
    return f"postgresql://{ROLE}:{quote(password)}@{ports.LOOPBACK}:{port}/{DATABASE}"


def _connect(port: int, password: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(
        host=ports.LOOPBACK,
        port=port,
        user=_ADMIN,
        password=password,
        dbname="postgres",
        autocommit=True,
        connect_timeout=30,
    )


def _make_role(session: psycopg.Connection[tuple[object, ...]], password: str) -> None:
    """A role that owns its databases, sees the server's figures, and is no superuser."""
    # The server gets a verifier, so that the password can never be in one of its logs.
    verifier = session.pgconn.encrypt_password(
        password.encode(), ROLE.encode(), b"scram-sha-256"
    ).decode()
    known = session.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [ROLE]).fetchone()
    session.execute(
        sql.SQL("{} ROLE {} LOGIN CREATEDB PASSWORD {}").format(
            sql.SQL("ALTER" if known else "CREATE"), sql.Identifier(ROLE), sql.Literal(verifier)
        )
    )
    session.execute(sql.SQL("GRANT pg_monitor, pg_checkpoint TO {}").format(sql.Identifier(ROLE)))


def _make_database(session: psycopg.Connection[tuple[object, ...]]) -> None:
    known = session.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
    if not known:
        session.execute(
            sql.SQL("CREATE DATABASE {} OWNER {}").format(
                sql.Identifier(DATABASE), sql.Identifier(ROLE)
            )
        )
