"""`POST /hooks/{key}`: a post with our key is on disk before the answer, whatever it holds."""

from uuid import UUID

import orjson
import pytest

from base.settings import Settings
from journal.streams import Kind
from ops.local.servers import Server
from rules.hooks import key_of
from tests.conftest import Connect
from tests.ingest.conftest import OpenDoor
from tests.ingest.door import Door
from tests.journal import putting

WORKFLOW = UUID(int=0xABC)
FORM = "application/x-www-form-urlencoded"


def path(settings: Settings, number: int = 1) -> str:
    return f"/hooks/{key_of(WORKFLOW, number, settings.secret)}"


def test_a_post_is_on_disk_before_the_answer(journal: str, door: Door) -> None:
    answer = door.post(path(door.settings, 3), b'{"a": [1, {"b": null}]}')

    (item,) = putting.items(Kind.WEBHOOKS)
    assert (answer.status, orjson.loads(answer.body)) == (202, {"id": item["id"]})
    assert (item["type"], item["door"], item["user"]) == ("hook", "hooks", "")
    assert item["meta"] == {
        "workflow": WORKFLOW.hex, "number": 3, "depth": 0, "body": {"a": [1, {"b": None}]},
    }  # fmt: skip
    assert "event_id" not in item


@pytest.mark.parametrize(
    ("body", "content_type", "kept"),
    [
        (b"", "", None),
        (b" \n", "application/json", None),
        (b"a=1&b=x%20y&a=2&c=", FORM, {"a": "1", "b": "x y", "c": ""}),
        (b'{"a": 1}', FORM, {"a": 1}),
        (b"[1, 2]", "text/plain", [1, 2]),
        (b'"text"', "", "text"),
        ('{"ü": "🙂"}'.encode(), "application/json", {"ü": "🙂"}),
    ],
    ids=range(7),
)
def test_json_forms_and_nothing_are_taken(
    journal: str, door: Door, body: bytes, content_type: str, kept: object
) -> None:
    answer = door.post(path(door.settings), body, content_type=content_type)

    assert answer.status == 202
    assert [item["meta"]["body"] for item in putting.items(Kind.WEBHOOKS)] == [kept]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"x" * 65_537, {}, 413),
        (b"{}", {"content_encoding": "gzip"}, 415),
        (b"{", {}, 400),
        (b"\xff\xfe{}", {}, 400),
        (b'{"a": "\\u0000"}', {}, 400),
        (b'{"a\\u0000": 1}', {}, 400),
        (b'{"a": "\\ud800"}', {}, 400),
        (b'{"a": NaN}', {}, 400),
        (b'{"a": 1e999}', {}, 400),
        (b'{"a": 123456789012345678901234567890}', {}, 400),
        (b"[" * 33 + b"]" * 33, {}, 400),
        (b"[" * 30_000 + b"]" * 30_000, {}, 400),
        (b'{"a":' * 5_000, {}, 400),
        (b"&".join(b"a%d=1" % n for n in range(201)), {"content_type": FORM}, 400),
        (b"a=%00", {"content_type": FORM}, 400),
        (b"a=\xff", {"content_type": FORM}, 400),
        (b"--x\r\n", {"content_type": "multipart/form-data; boundary=x"}, 400),
        (b"{}", {"idempotency_key": "x" * 256}, 400),
        (b'{"event_id": {"a": 1}}', {}, 400),
        (b'{"event_id": "a\\tb"}', {}, 400),
        (b'{"event_id": true}', {}, 400),
    ],
    ids=range(21),
)
def test_what_cannot_be_kept_is_refused(
    journal: str, door: Door, body: bytes, headers: dict[str, str], status: int
) -> None:
    answer = door.post(path(door.settings), body, **headers)

    assert answer.status == status
    assert orjson.loads(answer.body)["error"].endswith(".")
    assert putting.items(Kind.WEBHOOKS) == []
    assert door.get("/healthz").status == 200


def test_the_senders_own_id_is_kept(journal: str, door: Door) -> None:
    door.post(path(door.settings), b'{"event_id": "of the body"}')
    door.post(path(door.settings), b'{"event_id": 7}')
    door.post(path(door.settings), b'{"event_id": "body"}', idempotency_key="of the header")

    items = putting.items(Kind.WEBHOOKS)
    assert [item["event_id"] for item in items] == ["of the body", "7", "of the header"]


def test_a_key_nobody_signed_is_no_hook(journal: str, door: Door) -> None:
    good = path(door.settings)
    for target in (good[:-1], good + "A", good.replace("-1-", "-2-"), "/hooks/x", good + "/x"):
        assert door.post(target, b"{}").status == 404

    assert door.post(good, b"{}").status == 202
    assert len(putting.items(Kind.WEBHOOKS)) == 1
    assert door.get(good).status == 405


def test_a_key_outlives_a_change_of_the_secret(journal: str, open_door: OpenDoor) -> None:
    door = open_door(secret_key="newer", secret_keys_before="older")
    key = key_of(WORKFLOW, 1, b"older")

    assert door.post(f"/hooks/{key}", b"").status == 202


@pytest.mark.parametrize(
    ("told", "depth"), [("7", 7), ("99999999", 1_000), ("-1", 0), ("x", 0), ("9" * 5_000, 0)]
)
def test_a_run_that_posts_here_says_how_deep_it_is(
    journal: str, door: Door, told: str, depth: int
) -> None:
    door.post(path(door.settings), b"", hopfleet_depth=told)

    assert [item["meta"]["depth"] for item in putting.items(Kind.WEBHOOKS)] == [depth]


def test_too_many_posts_to_one_hook_wait(journal: str, open_door: OpenDoor) -> None:
    door = open_door(limit_key=1)
    other = f"/hooks/{key_of(UUID(int=9), 1, door.settings.secret)}"

    answers = [door.post(path(door.settings), b"") for _ in range(12)]

    assert {answer.status for answer in answers} == {202, 429}
    assert "retry-after" in answers[-1].headers
    assert door.post(other, b"").status == 202


def test_without_a_journal_the_spool_keeps_it(
    own_journal: Server, open_door: OpenDoor, connect: Connect
) -> None:
    door = open_door()
    own_journal.kill()

    assert door.post(path(door.settings), b"{}").status == 202
