"""`hopfleet webhooks`: listed, read as they came, handled once more when a person says so."""

import pytest

from tests import make
from tests.conftest import Connect
from tests.make import Made
from tests.ops.cli.conftest import Run

BODY = b'{"notification":"x","iv":"y"}'


@pytest.fixture
def messages(connect: Connect) -> list[Made]:
    """One of Stripe's that is done, one of ClickBank's that is dead, one that still waits."""
    session = connect()
    user = make.user(session, email="ann@example.com")["id"]
    return [
        make.webhook(session, state="done", outcome="synced", type="invoice.paid"),
        make.webhook(
            session, source="clickbank", state="dead", reason="undecryptable",
            last_error="the padding is wrong", receipt="ABCD1234", user_id=user, body=BODY,
        ),
        make.webhook(session, user_id=user, type="invoice.paid"),
    ]  # fmt: skip


def states(connect: Connect) -> list[str]:
    rows = connect().execute("SELECT state FROM webhooks ORDER BY id").fetchall()
    return [row[0] for row in rows]


def test_messages_are_listed_newest_first_page_by_page(run: Run, messages: list[Made]) -> None:
    first = run("webhooks", "list", "--limit", "2", "--json").json
    rest = run("webhooks", "list", "--after", first["next"], "--json").json

    shown = [item["id"] for item in first["items"] + rest["items"]]
    assert shown == [str(message["id"]) for message in messages[::-1]]
    assert rest["next"] is None
    assert "undecryptable" in run("webhooks", "list").out


@pytest.mark.parametrize(
    ("words", "places"),
    [
        (["--source", "clickbank"], [1]),
        (["--state", "pending"], [2]),
        (["--type", "invoice.paid"], [2, 0]),
        (["--user", "ann@example.com"], [2, 1]),
        (["--reason", "undecryptable", "--receipt", "ABCD1234"], [1]),
        (["--outcome", "synced"], [0]),
        (["--since", "1h", "--source", "stripe"], [2, 0]),
        (["--to", "1h"], []),
    ],
)
def test_messages_are_found_by_what_they_are(
    run: Run, messages: list[Made], words: list[str], places: list[int]
) -> None:
    said = run("webhooks", "list", *words, "--json").json

    assert [item["id"] for item in said["items"]] == [str(messages[n]["id"]) for n in places]


def test_a_message_is_shown_without_its_body_unless_that_is_asked_for(
    run: Run, messages: list[Made]
) -> None:
    which = str(messages[1]["id"])

    plain = run("webhooks", "show", which)
    said = run("webhooks", "show", which, "--json").json

    assert "the padding is wrong" in plain.out
    assert "notification" not in plain.out
    assert (said["id"], said["receipt"], said["body_bytes"]) == (which, "ABCD1234", len(BODY))
    assert "body" not in said
    assert run("webhooks", "show", which, "--body").out == BODY.decode()


def test_a_dead_message_is_replayed(run: Run, connect: Connect, messages: list[Made]) -> None:
    said = run("webhooks", "replay", str(messages[1]["id"]), "--json")

    assert said.json == {"replayed": 1}
    assert states(connect) == ["done", "pending", "pending"]


def test_one_that_is_done_is_replayed_only_when_told_so(
    run: Run, connect: Connect, messages: list[Made]
) -> None:
    ids = [str(message["id"]) for message in messages[:2]]

    refused = run("webhooks", "replay", *ids)
    before = states(connect)
    said = run("webhooks", "replay", *ids, "--again")

    assert (refused.code, before) == (2, ["done", "dead", "pending"])
    assert "--again" in refused.err
    assert said.out == "Replayed 2 webhooks.\n"
    assert states(connect) == ["pending"] * 3


def test_all_dead_ones_of_a_kind_are_replayed_after_a_question(
    run: Run, connect: Connect, messages: list[Made]
) -> None:
    make.webhook(connect(), state="dead", reason="other")

    refused = run("webhooks", "replay", "--dead", given="n\n")
    said = run("webhooks", "replay", "--dead", "--reason", "undecryptable", "--yes", "--json")

    assert (refused.code, said.json) == (1, {"replayed": 1})
    assert "Replay 2 webhooks?" in refused.err
    assert states(connect) == ["done", "pending", "pending", "dead"]


def test_a_dead_message_is_a_dead_letter_like_any_other(
    run: Run, connect: Connect, messages: list[Made]
) -> None:
    address = f"webhook:{messages[1]['id']}"

    listed = run("dead", "list", "--user", "ann@example.com", "--json").json
    shown = run("dead", "show", address, "--json").json
    said = run("dead", "replay", address, "--json").json

    assert [item["address"] for item in listed["items"]] == [address]
    assert (shown["reason"], shown["body_bytes"]) == ("undecryptable", len(BODY))
    assert "notification" not in run("dead", "show", address).out
    assert said == {"replayed": 1}
    assert states(connect) == ["done", "pending", "pending"]


@pytest.mark.parametrize(
    "words",
    [
        ("show", "x"),
        ("show", "999999999"),
        ("list", "--state", "lost"),
        ("list", "--user", "nobody@example.com"),
        ("list", "--after", "x"),
        ("replay",),
        ("replay", "999999999"),
        ("replay", "1", "--dead"),
        ("replay", "1", "--source", "stripe"),
        ("replay", "--dead", "--again"),
    ],
)
def test_what_is_no_message_is_wrong_use(run: Run, words: tuple[str, ...]) -> None:
    said = run("webhooks", *words)

    assert said.code == 2
    assert said.err != ""
