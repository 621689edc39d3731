"""A crowd of made-up tracking ids: answered by arithmetic, while real links are looked up."""

import asyncio
import os
from typing import Any

import pytest

from tests import make
from tests.conftest import Connect
from tests.ingest.door import Door
from tests.ingest.talking import Answer, ask, request


@pytest.fixture
def crowded(door: Door, connect: Connect) -> Door:
    """A door that knows which links there are, not yet what they lead to."""
    door.until(lambda: door.base.links.existing.complete)
    return door


def at_once(door: Door, names: list[str]) -> list[Answer]:
    """Follow all these links at the same time."""

    async def all_of_them() -> list[Answer]:
        paths = [request("GET", f"/r/{name}", {}) for name in names]
        return await asyncio.gather(*[ask(door.port, path) for path in paths])

    return door.wait(all_of_them())


def made_up(count: int) -> list[str]:
    return [os.urandom(8).hex() for _ in range(count)]


def links(connect: Connect, count: int) -> list[str]:
    session = connect()
    user: Any = make.user(session)["id"]
    made = [make.campaign(session, user_id=user) for _ in range(count)]
    return [one["tracking_id"] for one in made]


def test_real_links_in_a_crowd_are_found(crowded: Door, connect: Connect) -> None:
    real = links(connect, 10)
    crowded.until(lambda: all(name in crowded.base.links.existing for name in real))

    answers = at_once(crowded, made_up(150) + real + made_up(150))

    assert [answer.status for answer in answers] == [404] * 150 + [302] * 10 + [404] * 150
    assert crowded.base.links.made_up > 100


def test_few_unknown_ids_are_looked_up_at_once(crowded: Door, connect: Connect) -> None:
    real = links(connect, 3)  # so new that no change has been told

    answers = at_once(crowded, made_up(5) + real)

    assert [answer.status for answer in answers] == [404] * 5 + [302] * 3
    assert crowded.base.links.made_up == 0


def test_a_crowd_is_not_remembered(crowded: Door, connect: Connect) -> None:
    names = made_up(300)
    at_once(crowded, names)
    session = connect()
    late = next(name for name in names if name not in crowded.base.links.absent)

    make.campaign(session, tracking_id=late)

    assert crowded.get(f"/r/{late}").status == 302


def test_without_the_database_a_made_up_id_is_unknown_not_absent(crowded: Door) -> None:
    crowded.base.links.set_away(True)

    (answer,) = at_once(crowded, made_up(1))

    assert answer.status == 503


def test_a_door_that_forgets_all_reads_anew(crowded: Door, connect: Connect) -> None:
    real = links(connect, 2)
    existing = crowded.base.links.existing
    existing.add(["gone"])

    connect().execute("INSERT INTO link_changes (noun, key) VALUES ('all', '')")
    crowded.until(lambda: existing.complete and "gone" not in existing)

    assert all(name in existing for name in real)
