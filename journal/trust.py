"""Whether a Redis may hold the only copy of an event; asked anew on every connection."""

from collections.abc import Mapping

from journal.wire import Command

REQUIRED = {
    "appendonly": "yes",
    "appendfsync": "always",
    "no-appendfsync-on-rewrite": "no",
    "maxmemory-policy": "noeviction",
}

QUESTIONS: list[Command] = [("CONFIG", "GET", *REQUIRED), ("INFO", "replication")]


def doubt(config: object, replication: object) -> str | None:
    """Why the server that gave these two replies is volatile; None when it may be trusted.

    `config` is the reply to CONFIG GET (a flat list or a map), `replication` that of INFO.
    A server that does not let us ask is not trusted either.
    """
    if isinstance(config, Exception) or isinstance(replication, Exception):
        return "it does not let us read its settings (grant +config|get and +info)"
    found = _pairs(config)
    for name, wanted in REQUIRED.items():
        if found.get(name) != wanted:
            return f"{name} is {found.get(name, 'unknown')}, it must be {wanted}"
    info = replication.decode() if isinstance(replication, bytes) else str(replication)
    if "role:master" not in info:
        return "it is a replica, events must go to the master"
    return None


def _pairs(config: object) -> dict[str, str]:
    def text(value: object) -> str:
        return value.decode() if isinstance(value, bytes) else str(value)

    if isinstance(config, Mapping):
        return {text(key): text(value) for key, value in config.items()}
    if isinstance(config, list):
        return {
            text(key): text(value) for key, value in zip(config[::2], config[1::2], strict=False)
        }
    return {}
