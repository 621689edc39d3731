"""`POST /webhooks/clickbank/{key}`: what is kept, and the one answer to all that is not."""

import random
from itertools import combinations
from typing import Any
from urllib.parse import urlencode

import pytest

from base.clock import steady
from db import integrations
from journal.streams import Kind
from tests import make
from tests import notifications as told
from tests.conftest import Connect
from tests.ingest.conftest import OpenDoor
from tests.ingest.door import Door
from tests.ingest.talking import request, talk
from tests.journal import putting

SECRET = "QH7TRAILMAP20260"
GOOD = told.body(told.vector("02"))
FORM = urlencode(told.forms()[0]["fields"]).encode()


class Keys:
    """One user's addresses."""

    def __init__(self, door: Door, tx: Any) -> None:
        self.door, self.tx = door, tx
        self.user = make.user(tx)["id"]
        self.key, self.id = self.more()

    def more(self, **chosen: Any) -> tuple[str, str]:
        """Another integration: its key and its id."""
        return told.connect(self.tx, self.user, SECRET, chosen, self.door.settings)


@pytest.fixture
def keys(door: Door, connect: Connect) -> Keys:
    return Keys(door, connect())


def path(key: str) -> str:
    return f"/webhooks/clickbank/{key}"


@pytest.mark.parametrize("one", told.vectors(), ids=lambda one: one["id"])
def test_a_notification_is_kept_as_it_came(door: Door, keys: Keys, one: dict[str, Any]) -> None:
    body = told.body(one)

    answer = door.post(path(keys.key), body, content_type="application/x-www-form-urlencoded")

    (item,) = putting.items(Kind.WEBHOOKS)
    assert (answer.status, answer.body) == (204, b"")
    assert (item["type"], item["door"], item["user"]) == ("ins", "clickbank", str(keys.user))
    assert item["integration"] == keys.id
    assert item["body"].encode("latin-1") == body


def test_what_no_secret_opens_is_answered_like_all_else(door: Door, keys: Keys) -> None:
    bodies = [
        GOOD,
        told.made("OTHERKEY"),
        GOOD.replace(b"A", b"B"),
        b'{"notification":"x","iv":"y"}',
    ]

    answers = [door.post(path(keys.key), body) for body in bodies]

    assert len({(one.status, one.body, *_steady(one.headers)) for one in answers}) == 1
    assert len(putting.items(Kind.WEBHOOKS)) == 4


def _steady(headers: dict[str, str]) -> list[tuple[str, str]]:
    return sorted((name, value) for name, value in headers.items() if name != "date")


def test_all_that_is_not_kept_gets_one_answer(door: Door, keys: Keys) -> None:
    other = integrations.mint()
    integrations.add(keys.tx, keys.user, "generic", "x", other, _sealed(keys), {}, None)
    disabled, id_ = keys.more()
    integrations.disable(keys.tx, id_)
    asked = [
        ("made-up", GOOD), (integrations.mint(), GOOD), (disabled, GOOD), (other, GOOD),
        (keys.key.upper(), GOOD), (keys.key + "/", GOOD), ("é" * 40, GOOD), (keys.key, b""),
        (keys.key, b"{}"), (keys.key, b"[1]"), (keys.key, b"\xff"), (keys.key, FORM),
        (keys.key, b'{"notification":1,"iv":"x"}'), ("made-up", b""),
    ]  # fmt: skip

    answers = [door.ask("POST", path(key.encode().decode("latin-1")), {}, body)
               for key, body in asked]  # fmt: skip
    packed = door.post(path(keys.key), GOOD, content_encoding="gzip")

    told_apart = {(one.status, one.body, *_steady(one.headers)) for one in [*answers, packed]}
    assert len(told_apart) == 1
    assert answers[0].status == 404
    assert putting.items(Kind.WEBHOOKS) == []


def _sealed(keys: Keys) -> bytes:
    found = integrations.show(keys.tx, keys.id)
    assert found is not None
    return bytes(found.sealed)


def test_legacy_forms_are_kept_where_the_account_allows_them(door: Door, keys: Keys) -> None:
    key, _ = keys.more(legacy=True)

    answer = door.post(path(key), FORM)

    assert answer.status == 204
    assert [item["body"].encode() for item in putting.items(Kind.WEBHOOKS)] == [FORM]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "HEAD"])
def test_other_methods_are_told_which_one_to_use(door: Door, keys: Keys, method: str) -> None:
    answer = door.ask(method, path(keys.key))

    assert (answer.status, answer.headers["allow"]) == (405, "POST")


def test_a_body_beyond_any_notification_is_refused_before_its_key_matters(
    door: Door, keys: Keys
) -> None:
    large = b'{"notification":"' + b"A" * 256 * 1024 + b'","iv":"x"}'
    just = b'{"notification":"' + b"A" * 200 * 1024 + b'","iv":"x"}'

    answers = [door.post(path(key), large) for key in (keys.key, "made-up")]

    assert [one.status for one in answers] == [413, 413]
    assert answers[0].body == answers[1].body
    assert door.post(path(keys.key), just).status == 204


def test_without_a_journal_and_with_a_full_spool_nothing_is_promised(
    journal: str, open_door: OpenDoor, connect: Connect
) -> None:
    door = open_door(journal_url="redis://127.0.0.1:1/0", spool_max_bytes=1)
    keys = Keys(door, connect())

    answer = door.post(path(keys.key), GOOD)

    assert answer.status == 503
    assert "retry-after" in answer.headers


SAMPLES = 250
# How far from a coin's toss the question "which of two took longer" may be answered right: five
# times what chance makes of so many samples.
MOST_TELLING = 0.13


def test_no_delay_tells_what_can_be_decrypted(door: Door, keys: Keys) -> None:
    sorts = {
        "good": told.made(SECRET),
        "foreign": told.made("OTHERKEY"),
        "changed": _changed(told.made(SECRET)),
    }

    taken = _times(door, {name: (keys.key, body) for name, body in sorts.items()}, 204)

    assert _most_telling(taken) < MOST_TELLING


def test_no_delay_tells_why_a_notification_is_not_kept(door: Door, keys: Keys) -> None:
    disabled, id_ = keys.more()
    integrations.disable(keys.tx, id_)
    broken = b'{"notification":1,"iv":"x"}'

    of_keys = _times(door, {"unknown": (integrations.mint(), GOOD), "disabled": (disabled, GOOD)})
    of_shapes = _times(door, {"known": (keys.key, broken), "unknown": ("x" * 40, broken)})

    assert _most_telling(of_keys) < MOST_TELLING
    assert _most_telling(of_shapes) < MOST_TELLING


def _changed(body: bytes) -> bytes:
    """The same length, its last block no padding."""
    head, _, tail = body.rpartition(b'","iv"')
    return head[:-24] + bytes(reversed(head[-24:-4])) + head[-4:] + b'","iv"' + tail


def _times(
    door: Door, asked: dict[str, tuple[str, bytes]], status: int = 404
) -> dict[str, list[float]]:
    """Seconds that each sort took, asked in turns that chance chooses."""
    data = {name: request("POST", path(key), {}, body) for name, (key, body) in asked.items()}
    taken: dict[str, list[float]] = {name: [] for name in asked}
    dice = random.Random(1)

    async def ask_all() -> None:
        async with talk(door.port) as connection:
            for _ in range(SAMPLES):
                for name in dice.sample(sorted(asked), len(asked)):
                    began = steady()
                    connection.send(data[name])
                    assert (await connection.answer()).status == status
                    taken[name].append(steady() - began)

    door.wait(ask_all())
    return taken


def _most_telling(taken: dict[str, list[float]]) -> float:
    """How much better than by chance two sorts can be told apart by their times: 0 to 0.5."""
    return max(
        abs(sum(a > b for a in taken[one] for b in taken[other]) / SAMPLES**2 - 0.5)
        for one, other in combinations(taken, 2)
    )
