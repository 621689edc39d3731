"""Notices on their way: the mail that was owed reaches a mail server, once."""

import os
from collections.abc import Iterator

import pytest

from base.settings import settings
from db.connection import Tx
from tests import make
from tests.conftest import Connect
from tests.fleet.program import until
from tests.workers.post import Post, post
from workers.notices import tell
from workers.workflows.calling import Calling


@pytest.fixture
def server(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Post]:
    """The installation's mail server."""
    with post() as found:
        monkeypatch.setitem(os.environ, "HOPFLEET_SMTP_URL", found.url)
        settings.cache_clear()
        yield found
    settings.cache_clear()


def states(session: Tx) -> list[tuple[str, str]]:
    return [(row[0], row[1]) for row in session.execute("SELECT state, outcome FROM calls")]


def test_a_notice_reaches_its_owner_once(connect: Connect, server: Post) -> None:
    session = connect()
    user = make.user(session, email="owner@example.com")["id"]
    for _ in range(2):
        tell(session, user, "kind", "ref", "A “subject” — for you", "A text,\nof two lines.\n")

    calling = Calling()
    calling.wake()
    until(lambda: [state for state, _ in states(session)] == ["done"], 20, "the mail is sent")
    calling.wake()
    until(lambda: calling._thread is None, 30, "calling has ended")

    [mail] = server.mails
    assert server.recipients == ["owner@example.com"]
    assert mail["Subject"] == "A “subject” — for you"
    assert mail.get_content().splitlines() == ["A text,", "of two lines."]
