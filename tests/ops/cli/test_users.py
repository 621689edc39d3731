"""`hopfleet users`: what scripts rely on, what people are told."""

import pytest

from db import accounts, users
from db.connection import Tx
from db.held import dead_item, hold
from tests import make
from tests.conftest import Connect
from tests.ops.cli.conftest import Run


def test_an_added_user_is_printed_for_scripts(run: Run, tx: Tx) -> None:
    said = run("users", "add", "--email", "Ada@Example.com", "--json")

    row = users.find(tx, "ada@example.com")
    assert row is not None
    assert (said.code, said.json) == (0, {"id": str(row.id), "email": "ada@example.com"})
    assert row.status == "active"


@pytest.mark.parametrize(
    "email", ["", "ada", "@example.com", "a b@example.com", "a@b", "a@ex..com", "a@example.com\0"]
)
def test_a_word_that_is_no_email_is_wrong_use(run: Run, email: str) -> None:
    said = run("users", "add", "--email", email)

    assert said.code == 2
    assert said.err.count("\n") == 1
    assert "it looks like ada@example.com" in said.err


def test_an_email_that_is_taken_is_one_sentence(run: Run) -> None:
    run("users", "add", "--email", "ada@example.com")

    again = run("users", "add", "--email", "ada@example.com")

    assert again.code == 2
    assert again.err == "hopfleet: A user with the e-mail ada@example.com exists already.\n"


def test_pages_of_users_reach_all_of_them(run: Run, connect: Connect) -> None:
    made = {str(make.user(connect())["id"]) for _ in range(5)}
    seen = []
    cursor: list[str] = []
    while True:
        page = run("users", "list", "--limit", "2", *cursor, "--json").json
        seen += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        cursor = ["--after", page["next"]]

    assert len(seen) == 5
    assert set(seen) == made


def test_a_list_for_people_holds_whole_lines_in_a_pipe(run: Run, connect: Connect) -> None:
    make.user(connect(), email="x" * 150 + "@example.com", full_name="[red]Ada[/red]")

    said = run("users", "list")

    [line] = [line for line in said.out.splitlines() if "@example.com" in line]
    assert "x" * 150 in line
    assert "[red]Ada[/red]" in line


def test_fields_of_a_user_are_set(run: Run, connect: Connect) -> None:
    user = make.user(connect())

    said = run(
        *("users", "set", user["email"], "--tier", "agency", "--status", "suspended"),
        *("--full-name", "Ada", "--fallback-url", "https://example.com/else", "--json"),
    )

    assert said.code == 0
    assert {name: said.json[name] for name in ("tier", "status", "full_name", "fallback_url")} == {
        "tier": "agency",
        "status": "suspended",
        "full_name": "Ada",
        "fallback_url": "https://example.com/else",
    }
    assert run("users", "set", user["email"], "--fallback-url", "").code == 0
    assert accounts.fallback(connect(), user["id"]) is None


def test_a_password_comes_from_standard_input(run: Run, connect: Connect) -> None:
    user = make.user(connect())

    said = run("users", "set", user["email"], "--password-stdin", given="correct horse\n")

    row = connect().execute("SELECT password_hash FROM users").fetchone()
    assert said.code == 0
    assert row is not None
    assert users.password_matches("correct horse", row[0])
    assert "correct horse" not in said.out + said.err


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--tier", "gold"),
        ("--email", "nonsense"),
        ("--fallback-url", "javascript:alert(1)"),
        ("--full-name", "x" * 256),
    ],
)
def test_what_cannot_be_set_is_wrong_use(
    run: Run, connect: Connect, options: tuple[str, ...]
) -> None:
    user = make.user(connect())

    said = run("users", "set", user["email"], *options)

    assert said.code == 2
    assert said.err.startswith("hopfleet: ")


def test_a_taken_email_cannot_be_set(run: Run, connect: Connect) -> None:
    one, other = make.user(connect()), make.user(connect())

    said = run("users", "set", one["email"], "--email", other["email"])

    assert said.code == 2
    assert "exists already" in said.err


def test_a_deleted_user_is_gone_with_everything(run: Run, connect: Connect) -> None:
    session = connect()
    gone, stays = make.user(session), make.user(session)
    campaign = make.campaign(session, user_id=gone["id"])
    for _ in range(5):
        make.event(session, gone["id"], campaign_id=campaign["id"])
    make.event(session, stays["id"])
    item = {"user": str(gone["id"])}
    hold(session, [dead_item("clicks", make.batch_id(), 0, item, "test")])

    said = run("users", "delete", gone["email"], "--yes", "--json")

    assert said.json == {"deleted": [{"id": str(gone["id"]), "events": 5}]}
    assert [row.id for row in users.page(session, 10)] == [stays["id"]]
    counted = session.execute(
        "SELECT (SELECT count(*) FROM analytics_events), (SELECT count(*) FROM held_events),"
        " (SELECT state FROM purges)"
    ).fetchone()
    assert counted == (1, 0, "done")


def test_nothing_is_deleted_without_a_yes(run: Run, connect: Connect) -> None:
    user = make.user(connect())

    said = run("users", "delete", user["email"], given="n\n")

    assert said.code == 1
    assert len(users.page(connect(), 10)) == 1
    assert connect().execute("SELECT count(*) FROM purges").fetchone() == (0,)


def test_of_several_users_none_is_deleted_when_one_is_unknown(run: Run, connect: Connect) -> None:
    user = make.user(connect())

    said = run("users", "delete", user["email"], "nobody@example.com", "--yes")

    assert said.code == 2
    assert len(users.page(connect(), 10)) == 1


def test_a_deletion_that_was_cut_short_is_finished_by_the_next(run: Run, connect: Connect) -> None:
    user = make.user(connect())
    make.event(connect(), user["id"])
    users.mark_purge(connect(), user["id"])

    said = run("users", "delete", user["email"], "--yes")

    assert said.out == f"Deleted {user['email']} with 1 events.\n"
    assert users.page(connect(), 10) == []
