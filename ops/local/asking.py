"""What the processes on this host tell of themselves, asked all at once."""

import urllib.error
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families

from admin import processes
from admin.processes import Running

PATIENCE_SECONDS = 2.5

# By name, then by its labels' values in the order of their names.
Numbers = Mapping[str, Mapping[tuple[str, ...], float]]


class Told(NamedTuple):
    """A process, whether it says that it lives, and its numbers; none when it does not answer."""

    running: Running
    alive: bool
    numbers: Numbers


def ask(data_dir: Path) -> list[Told]:
    """Everybody who runs on this data folder, in their order."""
    found = processes.running(data_dir)
    with ThreadPoolExecutor(max(1, len(found))) as threads:
        return list(threads.map(_ask, found))


def _ask(running: Running) -> Told:
    if running.admin is None:
        return Told(running, True, {})
    try:
        with _open(running.admin, "/metrics") as answer:
            numbers = _read(answer.read().decode())
        with _open(running.admin, "/livez"):
            return Told(running, True, numbers)
    except (OSError, urllib.error.HTTPError, ValueError):
        return Told(running, False, {})


def _open(address: str, path: str) -> "urllib.request._UrlopenRet":
    parts = urlsplit(address)
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(parts.hostname or "", "")  # noqa: S104
    where = f"http://{host}:{parts.port}" if host else address
    return urllib.request.urlopen(where + path, timeout=PATIENCE_SECONDS)  # noqa: S310 # ours


def _read(text: str) -> Numbers:
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = tuple(sample.labels[name] for name in sorted(sample.labels))
            found.setdefault(sample.name, {})[key] = sample.value
    return found


def total(numbers: Numbers, name: str) -> float:
    """The sum over all labels; 0 when it is not told."""
    return sum(numbers.get(name, {}).values())
