"""What /openapi.json allows is taken and what it forbids is refused, case by case.

schemathesis makes the cases, half of them meant to be wrong; the verdict that is expected is
the described schema's own, worked out here by another program than the door's.
"""

import copy
import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit
from uuid import uuid4

import orjson
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as chosen
from jsonschema_rs import Draft202012Validator
from schemathesis import Case, GenerationMode

from ingest.openapi import document
from ingest.script import MOST_BYTES
from rules.query import parse
from schemas.metadata import MAX_BYTES, MAX_DEPTH, fault
from tests.hostile.siege import Siege

FORM = "application/x-www-form-urlencoded"
FEW, MANY = 50, 1_000  # cases of each sort: right ones, and others
FEW_EVENTS = 20  # a whole item takes schemathesis a tenth of a second

Judge = Callable[[Siege, Case[Any]], None]


def _described() -> dict[str, Any]:
    described = copy.deepcopy(document("http://127.0.0.1"))
    # Lines are text to a schema: their items are described as those of an array.
    del described["paths"]["/v1/events"]["post"]["requestBody"]["content"]["application/x-ndjson"]
    return described


DESCRIBED = _described()


def _valid(schema: dict[str, Any]) -> Callable[[Any], bool]:
    return Draft202012Validator({**schema, "components": DESCRIBED["components"]}).is_valid


def _parameter(path: str, method: str, name: str) -> Callable[[Any], bool]:
    parameters = DESCRIBED["paths"][path][method]["parameters"]
    return _valid(next(one["schema"] for one in parameters if one["name"] == name))


_is_tracking_id = _parameter("/r/{tracking_id}", "get", "tracking_id")
_is_postback_key = _parameter("/postback/{key}", "get", "key")
_is_pixel_event = _parameter("/p/{tracking_id}.gif", "get", "event")
_is_beacon = _valid(
    DESCRIBED["paths"]["/e/{tracking_id}"]["post"]["requestBody"]["content"]["text/plain"]["schema"]
)
_is_claim = _valid(
    DESCRIBED["paths"]["/b/claim/{tracking_id}"]["post"]["requestBody"]["content"][FORM]["schema"]
)
_is_event = _valid({"$ref": "#/components/schemas/Event"})


# --- a case as it goes over the wire, and its verdict


def _known(siege: Siege, case: Case[Any]) -> tuple[str, bool]:
    """The tracking id to ask for, the tenant's own where the described one may be any."""
    told = str((case.path_parameters or {}).get("tracking_id", ""))
    fits = _is_tracking_id(unquote(told))
    return (siege.name if fits else quote(unquote(told), safe="")), fits


def _query(case: Case[Any]) -> str:
    given = case.query or {}
    return urlencode(
        {name: v if isinstance(v, str) else json.dumps(v) for name, v in given.items()}
    )


def redirect(siege: Siege, case: Case[Any]) -> None:
    name, is_valid = _known(siege, case)

    answer = siege.ask("GET", f"/r/{name}?{_query(case)}")

    assert (answer.status, answer.click_id is not None) == (302 if is_valid else 404, is_valid)


def pixel(siege: Siege, case: Case[Any]) -> None:
    name, is_known = _known(siege, case)
    query = _query(case)
    said = parse(query.encode())
    # A parameter as the door reads it: without what it drops from every text.
    is_valid = is_known and _is_pixel_event(said.get("event", ""))

    answer = siege.ask("GET", f"/p/{name}.gif?{query}")

    assert (answer.status, answer.click_id is not None) == (200, is_valid)


def script(siege: Siege, case: Case[Any]) -> None:
    name, is_known = _known(siege, case)

    answer = siege.ask("GET", f"/t/{name}.js?{_query(case)}")

    assert (answer.status, answer.click_id is not None) == (200, is_known)
    assert len(answer.body) <= MOST_BYTES


def beacon(siege: Siege, case: Case[Any]) -> None:
    name, is_known = _known(siege, case)
    body, is_valid = _beacon_body(case)

    answer = siege.ask("POST", f"/e/{name}", body, {"Content-Type": str(case.media_type)})

    wanted = (404 if is_valid else 400) if not is_known else (204 if is_valid else 400)
    assert answer.status == wanted, body


def claim(siege: Siege, case: Case[Any]) -> None:
    """What is described is taken; of the rest something may be, as international domains."""
    name, is_valid = _known(siege, case)
    body, fits = _claim_body(case)

    answer = siege.ask("POST", f"/b/claim/{name}", body, {"content-type": case.media_type or FORM})

    assert answer.status in ((200,) if is_valid and fits else (200, 400, 404, 413))


def _claim_body(case: Case[Any]) -> tuple[bytes, bool]:
    body = case.body if isinstance(case.body, dict) else {}
    if case.media_type != FORM:
        return json.dumps(body).encode(), _is_claim(body)
    told = {name: v for name, v in body.items() if isinstance(v, str)}
    return urlencode(told).encode(), _is_claim(told)


def _beacon_body(case: Case[Any]) -> tuple[bytes, bool]:
    told: Any = case.body
    if not isinstance(told, dict | list | str | int | float | bool | None):
        return b"", True
    if case.media_type == FORM and isinstance(told, dict):
        form = urlencode({k: v if isinstance(v, str) else json.dumps(v) for k, v in told.items()})
        return form.encode(), _is_beacon(parse(form.encode()))
    body = json.dumps(told).encode()
    if case.media_type == FORM and body[:1] not in (b"{", b"["):
        return body, _is_beacon(parse(body))
    return body, _is_beacon(told)


def events(siege: Siege, case: Case[Any]) -> None:
    told: Any = case.body
    if not isinstance(told, dict | list | str | int | float | bool | None):
        return
    items = [_named(siege, item) for item in (told if isinstance(told, list) else [told])]
    body = json.dumps(items if isinstance(told, list) else items[0]).encode()

    answer = siege.post(body, content_type="application/json")

    wanted = [_is_event(item) and _fits(item) for item in items]
    if not isinstance(told, dict | list) or not items or len(items) > 1_000:
        assert answer.status == 400
        assert "error" in orjson.loads(answer.body)
        return
    results = orjson.loads(answer.body)["results"]
    assert [one["status"] == "accepted" for one in results] == wanted, (results, items)
    assert answer.status == (202 if any(wanted) else 400)


def _named(siege: Siege, item: Any) -> Any:
    """The item, about the tenant's campaign wherever it may be about any; no id comes twice."""
    if not isinstance(item, dict):
        return item
    mine = {"tracking_id": siege.name, "event_id": uuid4().hex}
    probe = {"type": "view", "tracking_id": "x"}
    told = {n for n in mine if isinstance(item.get(n), str) and _is_event(probe | {n: item[n]})}
    return item | {name: mine[name] for name in told}


def _fits(item: Any) -> bool:
    """The two limits that are described in words."""
    return len(orjson.dumps(item)) <= MAX_BYTES and _depth(item.get("metadata")) <= MAX_DEPTH


def _depth(value: Any) -> int:
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return 1 + max(map(_depth, inner), default=0)
    return 0


def postback(siege: Siege, case: Case[Any]) -> None:
    told = unquote(str((case.path_parameters or {}).get("key", "")))
    fits = _is_postback_key(told)
    path = f"/postback/{_postback_key(siege) if fits else quote(told, safe='')}?{_query(case)}"
    body: Any = case.body
    if not isinstance(body, dict | list | str | int | float | bool | None):
        body = None

    sent = None if body is None else _body(body, case.media_type)
    answer = siege.ask(str(case.method), path, sent)

    # Which parameters mean what is each integration's own affair, but never what an ack is.
    assert answer.status in ((200, 400) if fits else (404,)), (path, sent)
    assert (answer.click_id is not None) == (answer.status == 200)
    assert fits is False or answer.status == 200 or orjson.loads(answer.body)["error"][-1] == "."


def _body(told: Any, media_type: str | None) -> bytes:
    if media_type == FORM and isinstance(told, dict):
        said = {k: v if isinstance(v, str) else json.dumps(v) for k, v in told.items()}
        return urlencode(said).encode()
    return json.dumps(told).encode()


@lru_cache(1)
def _postback_key(siege: Siege) -> str:
    owner = str(siege.user_id)
    said = siege.fleet.hopfleet("integrations", "add", "postback", "--user", owner, "--json")
    return str(orjson.loads(said)["key"])


_is_notification = _valid(
    DESCRIBED["paths"]["/webhooks/clickbank/{key}"]["post"]["requestBody"]["content"][
        "application/json"
    ]["schema"]
)


def notification(siege: Siege, case: Case[Any]) -> None:
    told: Any = case.body
    is_json = isinstance(told, dict | list | str | int | float | bool | None)
    body = json.dumps(told).encode() if is_json else b""

    answer = siege.ask("POST", f"/webhooks/clickbank/{_clickbank_key(siege)}", body)

    # What is kept cannot be opened, which is found out later, and never said.
    assert answer.status == (204 if is_json and _is_notification(told) else 404), body


@lru_cache(1)
def _clickbank_key(siege: Siege) -> str:
    said = siege.fleet.hopfleet(
        "integrations", "add", "clickbank", "--user", str(siege.user_id), "--secret", "K4", "--json"
    )
    return str(orjson.loads(said)["key"])


def hook(siege: Siege, case: Case[Any]) -> None:
    told: Any = case.body
    is_json = isinstance(told, dict | list | str | int | float | bool | None)
    body = json.dumps(told).encode() if is_json else b""
    if case.media_type == FORM and isinstance(told, dict):
        told = {k: v if isinstance(v, str) else json.dumps(v) for k, v in told.items()}
        body = urlencode(told).encode()

    answer = siege.ask(
        "POST", _hook_path(siege), body, {"content-type": case.media_type or "application/json"}
    )

    fits = not is_json or _is_kept(told)
    assert answer.status in ((202,) if fits else (202, 400)), body


def _is_kept(told: Any) -> bool:
    own = told.get("event_id", "") if isinstance(told, dict) else ""
    return fault(told) is None and isinstance(own, str) and own.isprintable() and len(own) < 256


@lru_cache(1)
def _hook_path(siege: Siege) -> str:
    definition = {"name": "A hook", "trigger": {"type": "event", "event": "hook"},
                  "actions": [{"record_note": {"text": "x"}}]}  # fmt: skip
    file = siege.fleet.folder / "hook.json"
    file.write_bytes(orjson.dumps(definition))
    said = siege.fleet.hopfleet(
        "workflows", "add", str(file), "--user", str(siege.user_id), "--draft", "--json"
    )
    return urlsplit(str(orjson.loads(said)["hook_url"])).path


# --- the cases

DOORS: dict[str, tuple[str, str, Judge]] = {
    "r": ("/r/{tracking_id}", "GET", redirect),
    "p": ("/p/{tracking_id}.gif", "GET", pixel),
    "t": ("/t/{tracking_id}.js", "GET", script),
    "e": ("/e/{tracking_id}", "POST", beacon),
    "events": ("/v1/events", "POST", events),
    "claim": ("/b/claim/{tracking_id}", "POST", claim),
    "postback": ("/postback/{key}", "GET", postback),
    "posted": ("/postback/{key}", "POST", postback),
    "clickbank": ("/webhooks/clickbank/{key}", "POST", notification),
    "hook": ("/hooks/{key}", "POST", hook),
}


def _try(siege: Siege, door: str, count: int) -> None:
    path, method, judge = DOORS[door]
    operation = schemathesis.openapi.from_dict(copy.deepcopy(DESCRIBED))[path][method]
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        made = 0

        @chosen(
            max_examples=count, deadline=None, database=None, derandomize=count < MANY,
            suppress_health_check=list(HealthCheck), phases=[Phase.generate],
        )  # fmt: skip
        @given(operation.as_strategy(generation_mode=mode))
        def judged(case: Case[Any]) -> None:
            nonlocal made
            made += 1
            judge(siege, case)

        judged()
        assert made >= count * 0.9


@pytest.mark.parametrize("door", DOORS)
def test_the_doors_verdict_is_the_described_one(siege: Siege, door: str) -> None:
    _try(siege, door, FEW_EVENTS if door == "events" else FEW)


@pytest.mark.long
@pytest.mark.parametrize("door", DOORS)
def test_the_doors_verdict_is_the_described_one_in_thousands_of_cases(
    siege: Siege, door: str
) -> None:
    _try(siege, door, MANY + MANY // 10)


def test_what_is_described_in_words_holds_at_its_edge(siege: Siege) -> None:
    item = siege.item(metadata={"k": ""})
    room = MAX_BYTES - len(orjson.dumps(item))
    siege.accepted(siege.item(metadata={"k": "x" * room}), siege.item())
    siege.refused(siege.item(metadata={"k": "x" * (room + 1)}))
