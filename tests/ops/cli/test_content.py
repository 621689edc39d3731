"""`hopfleet content`: added as drafts or with their time, listed and shown."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests import make
from tests.conftest import Connect
from tests.make import Made
from tests.ops.cli.conftest import Run

USER = ("--user", "ada@example.com")


@pytest.fixture
def owner(connect: Connect) -> Made:
    return make.user(connect(), email="ada@example.com")


def _rows(connect: Connect, columns: str) -> list[Any]:
    return connect().execute(f"SELECT {columns} FROM content ORDER BY created_at").fetchall()


def test_a_post_is_scheduled_published_or_a_draft(
    run: Run, connect: Connect, owner: Made, tmp_path: Path
) -> None:
    file = tmp_path / "post.md"
    file.write_text("# From a file")
    make.campaign(connect(), user_id=owner["id"], tracking_id="spring")

    for words in (
        ("--body", str(file), "--campaign", "spring", "--title", "One"),
        ("--body", "the text", "--at", "2030-05-01T14:00+02:00"),
        ("--body", "-", "--status", "published"),
    ):
        said = run("content", "add", *USER, "--type", "blog_post", *words, "--json", given="stdin")
        assert said.code == 0, said.err

    columns = (
        "body, status, title, campaign_id IS NOT NULL, scheduled_for = '2030-05-01T12:00Z',"
        " published_at IS NOT NULL"
    )
    assert _rows(connect, columns) == [
        ("# From a file", "draft", "One", True, None, False),
        ("the text", "scheduled", None, False, True, False),
        ("stdin", "published", None, False, None, True),
    ]
    assert said.json["status"] == "published"


def test_content_is_listed_and_shown_with_why_it_was_refused(
    run: Run, connect: Connect, owner: Made
) -> None:
    add = ("content", "add", *USER, "--type", "email", "--body", "text")
    run(*add)
    made = run(*add, "--at", "2020-01-01", "--json").json["id"]
    connect().execute("UPDATE publications SET attempts = 2, last_error = 'no such list'")

    listed = run("content", "list", *USER, "--json").json["items"]
    scheduled = run("content", "list", "--status", "scheduled").out
    shown = run("content", "show", made, "--json").json

    assert [one["status"] for one in listed] == ["scheduled", "draft"]
    assert "no such list" in scheduled
    assert (shown["body"], shown["refused"], shown["error"]) == ("text", 2, "no such list")
    assert "text" in run("content", "show", made).out
    assert "content add" in run("content", "list", "--status", "archived").err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--body", "missing.md"), "cannot be read"),
        (("--body", "/"), "cannot be read"),
        (("--body", ""), "--body"),
        (("--body", "t", "--at", "2h"), "--at"),
        (("--body", "t", "--at", "2030-05-01", "--status", "draft"), "needs --at"),
        (("--body", "t", "--status", "scheduled"), "needs --at"),
        (("--body", "t", "--status", "gone"), "--status"),
        (("--body", "t", "--metadata", "[1]"), "--metadata"),
        (("--body", "t", "--campaign", "theirs"), "another user's"),
        (("--body", "t", "--title", "a\x1bb"), "--title"),
    ],
)
def test_what_cannot_be_is_refused(
    run: Run, connect: Connect, owner: Made, words: tuple[str, ...], sentence: str
) -> None:
    make.campaign(connect(), tracking_id="theirs")

    said = run("content", "add", *USER, "--type", "email", *words)

    assert said.code == 2
    assert sentence in said.err
    assert _rows(connect, "id") == []


def test_no_such_content_is_said(run: Run) -> None:
    assert run("content", "show", str(uuid4())).code == 2
    assert run("content", "show", "x").code == 2
