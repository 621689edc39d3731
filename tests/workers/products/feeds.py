"""Feeds made for tests: products in categories, as XML files."""

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from xml.sax.saxutils import escape

Place = tuple[str, ...]


class Feed:
    """A feed to be written: products by id, each with its elements and its places."""

    def __init__(self) -> None:
        self._places: dict[Place, list[str]] = {}

    def add(
        self,
        name: str,
        *places: tuple[Place, int],
        title: str = "A Title",
        description: str = "What it is.",
        gravity: object = "10.0",
        commission: object = 50,
        **more: object,
    ) -> "Feed":
        """A product in places, each a path and a rank; without any, in one of its own."""
        elements = {
            "Title": title, "Description": description, "HasRecurringProducts": "false",
            "Gravity": gravity, "PercentPerSale": "50.0", "AverageEarningsPerSale": "20.0",
            "InitialEarningsPerSale": "15.5", "Commission": commission,
            "ActivateDate": "2020-01-02", **more,
        }  # fmt: skip
        body = "".join(f"<{key}>{escape(str(value))}</{key}>" for key, value in elements.items())
        for path, rank in places or ((("Hobbies",), 1),):
            self._places.setdefault(path, []).append(
                f"<Site><Id>{name}</Id><PopularityRank>{rank}</PopularityRank>{body}</Site>"
            )
        return self

    def many(self, count: int, **elements: object) -> "Feed":
        """Products P1, P2, … in one category."""
        for at in range(1, count + 1):
            self.add(f"P{at}", (("Hobbies",), at), title=f"Product {at}", **elements)  # type: ignore[arg-type]
        return self

    def write(self, path: Path, made_at: datetime | None = None) -> Path:
        """As a file, of that date or of now."""
        text = "".join(_category(place, sites) for place, sites in self._places.items())
        path.write_text(f'<?xml version="1.0" encoding="UTF-8"?><Catalog>{text}</Catalog>')
        moment = (made_at or datetime.now(UTC)).timestamp()
        os.utime(path, (moment, moment))
        return path


def _category(path: Place, sites: Iterable[str]) -> str:
    opened = "".join(f"<Category><Name>{escape(name)}</Name>" for name in path)
    return opened + "".join(sites) + "</Category>" * len(path)
