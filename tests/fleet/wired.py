"""A fleet whose every wire runs through a proxy of ours, one for each pair of part and store."""

from urllib.parse import urlsplit

from tests.fleet.fleet import Fleet
from tests.fleet.proxy import Proxy
from tests.fleet.wires import PostgresWatch, RedisWatch

# Wire → the programs at its near end ("" for all others), the store at its far end, the setting.
WIRES = {
    "door-journal": (("ingest",), "journal", "JOURNAL_URL"),
    "worker-journal": (("worker", "relief"), "journal", "JOURNAL_URL"),
    "worker-postgres": (("worker", "relief"), "postgres", "DATABASE_URL"),
    "broker": ((), "broker", "REDIS_URL"),
}


class Wired(Fleet):
    """Like `Fleet`; `wires` has the proxies by name."""

    def _before_programs(self) -> None:
        self.wires: dict[str, Proxy] = {}
        for name, (_, store, _) in WIRES.items():
            watch = PostgresWatch if store == "postgres" else RedisWatch
            self.wires[name] = Proxy(self.stores[store].port, watch)

    def _environment(self, name: str) -> dict[str, str]:
        found = super()._environment(name)
        for wire, (programs, _, setting) in WIRES.items():
            if not programs or name in programs:
                url = urlsplit(found[f"HOPFLEET_{setting}"])
                near = f"{url.netloc.rpartition(':')[0]}:{self.wires[wire].port}"
                found[f"HOPFLEET_{setting}"] = url._replace(netloc=near).geturl()
        return found

    def end(self) -> None:
        """End everything by pid, the proxies last, and remove the folder."""
        super().end()
        for wire in getattr(self, "wires", {}).values():
            wire.end()
