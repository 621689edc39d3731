"""`hopfleet keys`: made, shown once, listed, revoked."""

from uuid import uuid4

from db import keys
from tests import make
from tests.conftest import Connect
from tests.ops.cli.conftest import Run


def test_an_added_key_works_and_is_all_that_scripts_get(run: Run, connect: Connect) -> None:
    user = make.user(connect())

    said = run("keys", "add", "--user", user["email"], "--json")

    assert set(said.json) == {"key"}
    [row] = keys.find(connect(), [keys.digest_of(said.json["key"])])
    assert (row.user_id, row.scopes) == (str(user["id"]), ["events:write"])


def test_the_user_may_be_named_by_id_and_scopes_chosen(run: Run, connect: Connect) -> None:
    user = make.user(connect())

    said = run(
        *("keys", "add", "--user", str(user["id"]), "--name", "reports"),
        *("--scope", "reports:read", "--scope", "manage"),
    )

    [listed] = keys.list_(connect())
    assert (listed.name, listed.scopes) == ("reports", ["reports:read", "manage"])
    assert keys.well_formed(said.out.strip())


def test_a_revoked_key_is_refused_and_listed(run: Run, connect: Connect) -> None:
    made = make.api_key(connect(), make.user(connect())["id"])

    said = run("keys", "revoke", str(made["id"]), "--json")

    assert said.json == {"id": str(made["id"]), "revoked": True}
    [listed] = run("keys", "list", "--json").json["items"]
    assert listed["revoked_at"].endswith("Z")
    assert run("keys", "revoke", str(made["id"])).code == 2


def test_pages_of_keys_reach_all_of_one_user(run: Run, connect: Connect) -> None:
    user = make.user(connect())
    made = {str(make.api_key(connect(), user["id"])["id"]) for _ in range(3)}
    make.api_key(connect(), make.user(connect())["id"])

    first = run("keys", "list", "--user", user["email"], "--limit", "2", "--json").json
    rest = run("keys", "list", "--user", user["email"], "--after", first["next"], "--json").json

    assert {item["id"] for item in first["items"] + rest["items"]} == made
    assert (len(first["items"]), rest["next"]) == (2, None)


def test_wrong_use_of_keys_is_told(run: Run, connect: Connect) -> None:
    user = make.user(connect())

    assert run("keys", "add", "--user", "nobody@example.com").code == 2
    assert run("keys", "add", "--user", user["email"], "--scope", "all").code == 2
    assert "is no id of a key" in run("keys", "revoke", "hf_abc").err
    assert run("keys", "revoke", str(uuid4())).code == 2
