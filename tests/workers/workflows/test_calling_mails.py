"""Mails that runs and notices ask for: by the installation's server, once, or a dead letter."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from base.settings import settings
from db import letters
from db.connection import Tx, transaction
from tests import make
from tests.fleet.program import until
from tests.workers.post import Post, post
from tests.workers.workflows.waiting import Step, attempts, due_now, put_off
from workers.notices import tell
from workers.workflows.calling import Calling


@pytest.fixture
def mail_server(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Post]:
    """The installation's; no user may call this network."""
    with post() as found:
        monkeypatch.setitem(os.environ, "HOPFLEET_SMTP_URL", found.url)
        monkeypatch.setitem(os.environ, "HOPFLEET_SMTP_TIMEOUT_SECONDS", "5")
        settings.cache_clear()
        yield found
    settings.cache_clear()


@pytest.fixture
def calling(mail_server: Post) -> Iterator[Calling]:
    """The thread, at its end when the test is."""
    made = Calling()
    yield made
    mail_server.release()
    made.stop()
    until(lambda: made._thread is None, 30, "calling has ended")


def mail(step: Step, **given: Any) -> None:
    """Owe a mail."""
    step.owe_mail({"to": "ada@example.com", "subject": "Hello", "text": "A text", **given})


def test_a_mail_is_sent_and_its_run_goes_on(
    session: Tx, mail_server: Post, calling: Calling
) -> None:
    step = Step(session)
    mail(step, html="<b>{{ not.a.template }}</b>")

    calling.wake()

    state, outcome, output, error = step.ended()
    [sent] = mail_server.mails
    plain, page = sent.iter_parts()
    assert (state, outcome, error) == ("done", "succeeded", None)
    assert output == {"said": "250 taken as 1A2B"} or output == {"said": "taken as 1A2B"}
    assert mail_server.recipients == ["ada@example.com"]
    assert (sent["Subject"], plain.get_content().strip()) == ("Hello", "A text")
    assert "{{ not.a.template }}" in page.get_content()
    assert step.key in sent["Message-ID"]
    assert step.is_awake()


def test_a_mail_that_is_put_off_is_the_same_mail_afterwards(
    session: Tx, mail_server: Post, calling: Calling
) -> None:
    mail_server.plan = ["451 4.7.1 greylisted", "take"]
    step = Step(session)
    mail(step)

    calling.wake()
    put_off(session, 1)
    told = step.row()
    due_now(session)
    calling.wake()

    assert step.ended()[:2] == ("done", "succeeded")
    assert told == ("running", None, None, "451 4.7.1 greylisted")
    assert attempts(session) == [(1, "deferred", 451), (2, "accepted", 250)]


def test_a_refused_mail_fails_its_step_with_the_servers_sentence(
    session: Tx, mail_server: Post, calling: Calling
) -> None:
    mail_server.plan = ["550 5.1.1 no such mailbox"]
    step = Step(session)
    mail(step)

    calling.wake()

    assert step.ended() == ("dead", "failed", None, "550 5.1.1 no such mailbox")


@pytest.mark.parametrize(
    "odd",
    [{"to": "a@example.com, b@example.com"}, {"to": "a@example.com\r\nBcc: b@example.com"},
     {"to": "nobody"}],
    ids=["two", "header", "none"],
)  # fmt: skip
def test_a_mail_has_one_recipient(
    session: Tx, mail_server: Post, calling: Calling, odd: dict[str, str]
) -> None:
    step = Step(session)
    mail(step, **odd)

    calling.wake()

    assert step.ended()[1] == "failed"
    assert mail_server.offered == 0


def test_a_subject_with_a_lines_end_makes_no_header(
    session: Tx, mail_server: Post, calling: Calling
) -> None:
    step = Step(session)
    mail(step, subject="Hello\r\nBcc: all@example.com")

    calling.wake()
    step.ended()

    [sent] = mail_server.mails
    assert sent["Bcc"] is None
    assert mail_server.recipients == ["ada@example.com"]


def test_a_mail_that_may_have_arrived_is_sent_once_more_and_no_more(
    session: Tx, mail_server: Post, calling: Calling
) -> None:
    mail_server.always = "drop"
    step = Step(session)
    mail(step, retry_seconds=0.0)

    calling.wake()

    assert step.ended()[:2] == ("dead", "failed")
    assert [one[1] for one in attempts(session)] == ["unknown", "unknown"]
    assert len(set(mail_server.ids())) == 1


def test_a_notice_that_is_refused_is_a_dead_letter_and_may_be_replayed(
    session: Tx, mail_server: Post, calling: Calling
) -> None:
    mail_server.plan = ["550 no", "take"]
    user = make.user(session, email="owner@example.com")["id"]
    tell(session, user, "kind", "ref", "A subject", "A text")

    calling.wake()
    until(lambda: letters.count(session, "call", letters.Which()) == 1, 10, "it is a dead letter")
    [letter] = letters.page(session, "call", letters.Which(), 10)
    with transaction() as tx:
        letters.replay(tx, "call", [letter.id])
    calling.wake()

    until(lambda: len(mail_server.mails) == 1, 10, "it was sent")
    assert (letter.kind, letter.reason, letter.error) == ("mail", "mail_refused", "550 no")
    assert mail_server.recipients == ["owner@example.com"]


def test_without_a_mail_server_mails_wait_and_say_why(session: Tx, mail_server: Post) -> None:
    del os.environ["HOPFLEET_SMTP_URL"]
    settings.cache_clear()
    made = Calling()
    step = Step(session)
    mail(step)

    made.wake()
    until(
        lambda: session.execute("SELECT state, tries, last_error FROM calls").fetchone()
        == ("pending", 0, "HOPFLEET_SMTP_URL is not set"), 10, "it waits",
    )  # fmt: skip
    made.stop()
    until(lambda: made._thread is None, 30, "calling has ended")

    assert step.row() == ("running", None, None, None)
