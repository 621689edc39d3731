"""What every run stands on: stores in a temporary folder, the tables, users and campaigns."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ops.bench import database, traffic
from ops.bench.children import child, hopfleet
from ops.local.servers import Server, forget, start_broker, start_journal, start_postgres

# Nothing of the shell's own Hopfleet may reach the run.
_OURS = "HOPFLEET_"
_MIGRATE_SECONDS = 120.0


@dataclass(frozen=True)
class Stage:
    """Running stores with three databases of the same content: ours, the usual way's, COPY's."""

    folder: Path
    stores: Mapping[str, Server]
    environment: Mapping[str, str]  # for every child
    targets: Path  # the requests, for the load generator
    url: str
    usual_url: str
    copy_url: str

    @property
    def pids(self) -> dict[str, int]:
        """The stores' processes by name."""
        return {name: server.process.pid for name, server in self.stores.items()}


@contextmanager
def stage() -> Iterator[Stage]:
    """Start everything, and stop and remove it all at the end of the block."""
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="hopfleet-bench-"))
        stack.callback(forget, folder)
        folder.chmod(0o711)  # root's PostgreSQL, an unprivileged user, passes through
        stores = {}
        for name, start in (
            ("postgres", start_postgres),
            ("journal", start_journal),
            ("broker", start_broker),
        ):
            stores[name] = start(folder / name)
            stack.callback(stores[name].stop)
        yield _prepare(folder, stores)


def _prepare(folder: Path, stores: Mapping[str, Server]) -> Stage:
    url = stores["postgres"].url
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    environment |= {
        "HOPFLEET_DATA_DIR": str(folder / "data"),
        "HOPFLEET_DATABASE_URL": url,
        "HOPFLEET_JOURNAL_URL": stores["journal"].url,
        "HOPFLEET_REDIS_URL": stores["broker"].url,
    }
    with child("migrate", hopfleet("migrate"), environment, folder) as migration:
        if migration.wait(_MIGRATE_SECONDS) != 0:
            raise migration.failed("ended with an error")
    links = database.seed(url)
    usual, copy = database.clone(url, "usual"), database.clone(url, "copy")
    traffic.save(traffic.visits(links), folder / "targets.json")
    return Stage(folder, stores, environment, folder / "targets.json", url, usual, copy)


def broker_number(url: str, number: int) -> str:
    """The same Redis, another of its numbered databases: empty for each run of the usual way."""
    return urlsplit(url)._replace(path=f"/{number}").geturl()
