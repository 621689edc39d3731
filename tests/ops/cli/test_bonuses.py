"""`hopfleet bonuses`: added, listed and changed; nothing that could not be delivered."""

import base64
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from base.sealing import unseal
from base.settings import settings
from tests import make
from tests.conftest import Connect
from tests.make import Made
from tests.ops.cli.conftest import Run

FILE = "https://files.example.com/bonus.pdf"


@pytest.fixture
def campaign(connect: Connect) -> Made:
    return make.campaign(connect(), tracking_id="buy")


def _rows(connect: Connect, columns: str) -> list[Any]:
    return connect().execute(f"SELECT {columns} FROM bonuses ORDER BY created_at").fetchall()


def test_a_bonus_is_added_active_and_its_id_is_told(
    run: Run, connect: Connect, campaign: Made
) -> None:
    said = run(
        *("bonuses", "add", "--campaign", "buy", "--name", "Tips", "--file-url", FILE),
        *("--method", "download", "--json"),
    )

    assert said.code == 0, said.err
    assert set(said.json) == {"id"}
    columns = "id::text, campaign_id, name, file_url, delivery_method, is_active, delivered_count"
    assert _rows(connect, columns) == [
        (said.json["id"], campaign["id"], "Tips", FILE, "download", True, 0)
    ]


def test_people_are_told_where_buyers_claim_it(run: Run, campaign: Made) -> None:
    said = run("bonuses", "add", "--campaign", "buy", "--name", "Tips", "--file-url", FILE)

    assert "/b/claim/buy" in said.err
    assert "HOPFLEET_SMTP_URL" in said.err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--campaign", "nobody", "--name", "N"), "no campaign"),
        (("--campaign", "buy", "--name", ""), "--name"),
        (("--campaign", "buy", "--name", "N", "--method", "post"), "--method"),
        (("--campaign", "buy", "--name", "N", "--method", "download"), "--file-url"),
        (("--campaign", "buy", "--name", "N", "--file-url", "javascript:alert(1)"), "--file-url"),
        (("--campaign", "buy", "--name", "N", "--file-url", "s3://b/a/../c"), "--file-url"),
        (("--campaign", "buy", "--name", "N", "--file-url", "https://e.com/" + "a" * 500), "500"),
        (("--campaign", "buy", "--name", "N", "--from-email", "a@b.co\nBcc: x@y.co"), "--from-"),
        (("--campaign", "buy", "--name", "N", "--subject", "a\r\nBcc: x@y.co"), "--subject"),
        (("--campaign", "buy", "--name", "N", "--smtp", "smtp://u:p@h.co"), "--smtp -"),
        (("--campaign", "buy", "--name", "N", "--smtp", "http://h.co"), "--smtp"),
        (("--campaign", "buy", "--name", "N", "--text-file", "/nonexistent"), "cannot be read"),
    ],
)
def test_what_could_not_be_delivered_is_refused(
    run: Run, connect: Connect, campaign: Made, words: tuple[str, ...], sentence: str
) -> None:
    said = run("bonuses", "add", *words, "--json")

    assert said.code == 2
    assert sentence in said.err
    assert _rows(connect, "id") == []


def test_a_list_holds_a_campaigns_bonuses_newest_first(
    run: Run, connect: Connect, campaign: Made
) -> None:
    for name in ("One", "Two", "Three"):
        run("bonuses", "add", "--campaign", "buy", "--name", name, "--file-url", FILE)
    make.bonus(connect(), make.campaign(connect())["id"])

    first = run("bonuses", "list", "--campaign", "buy", "--limit", "2", "--json").json
    rest = run("bonuses", "list", "--campaign", "buy", "--after", first["next"], "--json").json

    assert [one["name"] for one in first["items"]] == ["Three", "Two"]
    assert [one["name"] for one in rest["items"]] == ["One"]
    assert rest["next"] is None
    assert len(run("bonuses", "list", "--json").json["items"]) == 4
    assert "Three" in run("bonuses", "list").out


def test_only_what_is_named_is_changed(
    run: Run, connect: Connect, campaign: Made, tmp_path: Path
) -> None:
    text = tmp_path / "mail.txt"
    text.write_text("Here: {{ link }}")
    made = make.bonus(connect(), campaign["id"], metadata={"theirs": 1, "subject": "Old"})

    said = run(
        *("bonuses", "set", str(made["id"]), "--name", "New", "--inactive"),
        *("--text-file", str(text), "--reply-to", "re@example.com", "--json"),
    )
    run("bonuses", "set", str(made["id"]), "--subject", "")

    assert said.json["name"] == "New"
    assert _rows(connect, "name, is_active, delivery_method, metadata") == [
        (
            "New", False, "email",
            {"theirs": 1, "text": "Here: {{ link }}", "reply_to": "re@example.com"},
        )
    ]  # fmt: skip


def test_a_mail_servers_password_is_sealed_and_never_shown(
    run: Run, connect: Connect, campaign: Made
) -> None:
    made = make.bonus(connect(), campaign["id"])
    url = "smtps://grace:s%C3%A9cret@mail.example.com"

    said = run("bonuses", "set", str(made["id"]), "--smtp", "-", "--json", given=url + "\n")

    [(metadata,)] = _rows(connect, "metadata")
    server = metadata["smtp"]
    assert unseal(base64.b64decode(server["sealed"]), settings()).decode() == "sécret"
    assert (server["host"], server["port"], server["security"], server["user"]) == (
        "mail.example.com", 465, "tls", "grace",
    )  # fmt: skip
    shown = said.out + run("bonuses", "list", "--json").out
    assert server["sealed"] not in shown
    assert "cret" not in shown


def test_nothing_to_set_and_no_such_bonus_say_so(run: Run, campaign: Made) -> None:
    assert "at least one option" in run("bonuses", "set", str(uuid4())).err
    assert run("bonuses", "set", str(uuid4()), "--name", "N").code == 2
    assert run("bonuses", "set", "x", "--name", "N").code == 2


def test_the_shape_of_metadata_is_shown(run: Run) -> None:
    assert "subject" in run("schema", "bonus").json["properties"]
