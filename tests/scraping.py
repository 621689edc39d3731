"""What processes show of themselves, fetched as a machine of an operator does."""

import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
from prometheus_client.parser import text_string_to_metric_families

from admin import processes
from admin.processes import Running

TIMEOUT_SECONDS = 5


class Numbers(dict[tuple[str, frozenset[tuple[str, str]]], float]):
    """Samples by name and labels."""

    def of(self, name: str, **labels: str) -> float:
        """The sum of all samples of this name that have these labels; 0 when there is none."""
        wanted = labels.items()
        return sum(v for (n, of), v in self.items() if n == name and wanted <= of)


def scrape(address: str) -> Numbers:
    """`GET /metrics`; fails when a family is told twice, or without a word of help."""
    found, names = Numbers(), []
    text = _get(f"{address}/metrics")[1].decode()
    for family in text_string_to_metric_families(text):
        assert family.documentation, family.name
        names.append(family.name)
        for sample in family.samples:
            found[sample.name, frozenset(sample.labels.items())] = sample.value
    assert len(names) == len(set(names))
    return found


def livez(address: str, seconds: float = TIMEOUT_SECONDS) -> tuple[int, Any]:
    """`GET /livez`: the status and what is said."""
    status, body = _get(f"{address}/livez", seconds)
    return status, orjson.loads(body)


def running(data_dir: Path, *roles: str) -> list[Running]:
    """Processes that run on this data folder, of some roles or all."""
    return [each for each in processes.running(data_dir) if not roles or each.role in roles]


def scrape_all(found: Iterable[Running]) -> dict[int, Numbers]:
    """Each process's numbers by its pid."""
    return {each.pid: scrape(each.admin) for each in found if each.admin}


def _get(url: str, seconds: float = TIMEOUT_SECONDS) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=seconds) as answer:  # noqa: S310
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
