"""`hopfleet integrations`: networks with an address each, whose secrets nobody is shown."""

from typing import Any
from uuid import uuid4

import orjson
import pytest

from base.sealing import unseal
from base.settings import settings
from db import integrations
from tests import make
from tests.conftest import Connect
from tests.ops.cli.conftest import Run

SECRET = "QH7TRAILMAP20260"


@pytest.fixture
def user(connect: Connect) -> dict[str, Any]:
    return make.user(connect())


def _found(connect: Connect, key: str) -> integrations.IntegrationRow | None:
    rows = integrations.find(connect(), [integrations.digest_of(key)])
    return rows[0] if rows else None


def _secrets(row: integrations.IntegrationRow) -> dict[str, str]:
    opened: dict[str, str] = orjson.loads(unseal(bytes.fromhex(row.sealed), settings()))
    return opened


def test_a_clickbank_account_gets_a_key_and_an_address(
    run: Run, connect: Connect, user: dict[str, Any]
) -> None:
    said = run(
        *("integrations", "add", "clickbank", "--user", user["email"], "--secret", SECRET),
        *("--nickname", "quiltpath", "--role", "affiliate", "--json"),
    )

    key = said.json["key"]
    assert set(said.json) == {"key", "url", "id"}
    assert said.json["url"] == f"{settings().url}/webhooks/clickbank/{key}"
    row = _found(connect, key)
    assert row is not None
    assert (row.user_id, row.network) == (str(user["id"]), "clickbank")
    assert row.settings == {"nickname": "quiltpath", "role": "AFFILIATE"}
    assert _secrets(row) == {"key": key, "secret": SECRET}


def test_a_secret_may_come_on_standard_input_and_is_never_shown(
    run: Run, connect: Connect, user: dict[str, Any]
) -> None:
    added = run(
        *("integrations", "add", "clickbank", "--user", user["email"]),
        *("--secret", "-", "--api-key", "-", "--json"),
        given=f"{SECRET}\nAPI-SESAME\n",
    )

    listed = run("integrations", "list", "--json")
    drawn = run("integrations", "list", "--user", user["email"])

    row = _found(connect, added.json["key"])
    assert row is not None
    assert _secrets(row)["api_key"] == "API-SESAME"
    for said in (added, listed, drawn):
        assert SECRET not in said.out + said.err
        assert "SESAME" not in said.out + said.err
    assert listed.json["items"][0]["url"] == added.json["url"]


def test_a_postback_of_a_campaign_has_its_own_reading(
    run: Run, connect: Connect, user: dict[str, Any], tmp_path: Any
) -> None:
    campaign = make.campaign(connect(), user_id=user["id"])
    own = tmp_path / "own.json"
    own.write_text('{"params": {"amount": ["sum"]}, "amount_unit": "cents"}')

    said = run(
        *("integrations", "add", "postback", "--user", user["email"], "--template", str(own)),
        *("--campaign", campaign["tracking_id"], "--setting", "duplicates=update"),
        *("--hmac-secret", "s3", "--allow", "192.0.2.0/24", "--json"),
    )

    row = _found(connect, said.json["key"])
    assert row is not None
    assert said.json["url"] == f"{settings().url}/postback/{said.json['key']}"
    assert (row.network, row.campaign_id) == ("generic", str(campaign["id"]))
    assert row.settings == {
        "params": {"amount": ["sum"]}, "amount_unit": "cents", "duplicates": "update",
        "hmac": {}, "allowed_networks": ["192.0.2.0/24"],
    }  # fmt: skip


def test_a_rotated_key_stops_and_the_secrets_stay(
    run: Run, connect: Connect, user: dict[str, Any]
) -> None:
    words = ("integrations", "add", "clickbank", "--user", user["email"], "--secret", SECRET)
    before = run(*words, "--json").json

    after = run("integrations", "rotate", before["id"], "--json").json

    row = _found(connect, after["key"])
    assert _found(connect, before["key"]) is None
    assert row is not None
    assert row.id == before["id"]
    assert _secrets(row) == {"key": after["key"], "secret": SECRET}


def test_a_corrected_secret_keeps_the_address(
    run: Run, connect: Connect, user: dict[str, Any]
) -> None:
    words = ("integrations", "add", "clickbank", "--user", user["email"], "--secret", "WRONG")
    made = run(*words, "--json").json

    said = run("integrations", "rotate", made["url"], "--keep-key", "--secret", SECRET, "--json")

    row = _found(connect, made["key"])
    assert said.json == made
    assert row is not None
    assert _secrets(row)["secret"] == SECRET


def test_a_disabled_key_is_no_key_until_it_is_enabled(
    run: Run, connect: Connect, user: dict[str, Any]
) -> None:
    made = run("integrations", "add", "postback", "--user", user["email"], "--json").json

    off = run("integrations", "disable", made["key"], "--json")
    gone = _found(connect, made["key"])
    on = run("integrations", "enable", made["id"], "--json")

    assert (off.json, gone) == ({"id": made["id"], "disabled": True}, None)
    assert on.json == {"id": made["id"], "disabled": False}
    assert _found(connect, made["key"]) is not None


def test_settings_are_changed_one_by_one(run: Run, connect: Connect, user: dict[str, Any]) -> None:
    made = run("integrations", "add", "postback", "--user", user["email"], "--json").json

    run("integrations", "set", made["id"], "--setting", "answer=1", "--setting", "currency=EUR")
    said = run("integrations", "set", made["id"], "--setting", "answer=", "--json")

    assert said.json == {"id": made["id"], "settings": {"currency": "EUR"}}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("add", "clickbank"), "--secret"),
        (("add", "stripe"), "HOPFLEET_STRIPE_WEBHOOK_SECRETS"),
        (("add", "nowhere"), "There is no template"),
        (("add", "postback", "--setting", "hmac={}"), "--hmac-secret"),
        (("add", "postback", "--allow", "everybody"), "allowed_networks"),
        (("add", "postback", "--setting", 'statuses={"x":"lost"}'), "statuses.x"),
        (("add", "postback", "--setting", 'params={"price":["x"]}'), "params"),
        (("add", "postback", "--setting", "answer_type=é"), "answer_type"),
        (("add", "postback", "--setting", "colour=red"), "NAME=VALUE"),
        (("add", "clickbank", "--secret", ""), "secret must have"),
        (("add", "clickbank", "--secret", "x", "--role", "boss"), "role"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_makes_no_sense_is_told(
    run: Run, user: dict[str, Any], words: tuple[str, ...], sentence: str
) -> None:
    said = run("integrations", *words, "--user", user["email"])

    assert said.code == 2
    assert sentence in said.err


def test_another_users_campaign_and_unknown_ones_are_refused(
    run: Run, connect: Connect, user: dict[str, Any]
) -> None:
    theirs = make.campaign(connect())
    words = ("integrations", "add", "postback", "--user", user["email"])

    said = run(*words, "--campaign", theirs["tracking_id"])

    assert (said.code, "another user's" in said.err) == (2, True)
    assert run("integrations", "disable", str(uuid4())).code == 2
    assert run("integrations", "rotate", integrations.mint()).code == 2


def test_the_shape_of_the_settings_is_exported(run: Run) -> None:
    said = run("schema", "integration")

    assert {"params", "statuses", "duplicates", "hmac"} <= set(said.json["properties"])
    listed = run("schema", "--json").json["items"]
    assert {"name": "integration", "of": "integrations.settings"} in listed
    assert run("schema", "nothing").code == 2
