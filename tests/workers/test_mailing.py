"""Mails of bonuses: accepted once, tried again, or buried with what the server said."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from base.settings import settings
from db.connection import Tx
from tests import make
from tests.conftest import Connect
from tests.fleet.program import until
from tests.make import Made
from tests.workers import buying
from tests.workers.buying import ADA, attempts, counted, due_now, sell, states
from tests.workers.post import Post, post
from workers.bonuses import mailing


@pytest.fixture
def server(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Post]:
    """The installation's mail server."""
    with post() as found:
        monkeypatch.setitem(os.environ, "HOPFLEET_SMTP_URL", found.url)
        monkeypatch.setitem(os.environ, "HOPFLEET_SMTP_TIMEOUT_SECONDS", "5")
        # Servers that bonuses name are here, too.
        monkeypatch.setitem(os.environ, "HOPFLEET_CALL_PRIVATE", "127.0.0.0/8,::1/128")
        settings.cache_clear()
        yield found
        quiet()
    settings.cache_clear()


def quiet() -> None:
    """Wait until nobody sends any more."""
    until(lambda: mailing._thread is None, 30, "mailing has ended")


@pytest.fixture
def session(connect: Connect) -> Tx:
    """Looks at what was committed."""
    return connect()


@pytest.fixture
def campaign(session: Tx) -> Made:
    """A campaign without a bonus."""
    return make.campaign(session)


@pytest.fixture
def bonus(session: Tx, campaign: Made) -> Made:
    """A bonus that is mailed."""
    return make.bonus(session, campaign["id"], file_url="https://files.example.com/bonus.pdf")


def sent(session: Tx, *wanted: tuple[str, str | None]) -> None:
    """Send what is due, until the deliveries are so."""
    mailing.wake()
    until(lambda: states(session) == list(wanted), 20, f"deliveries are {wanted}")


def test_a_buyer_gets_a_mail_once(session: Tx, campaign: Made, bonus: Made, server: Post) -> None:
    sell(campaign)

    sent(session, ("done", "delivered"))
    mailing.wake()
    quiet()

    [mail] = server.mails
    assert server.recipients == [ADA]
    assert mail["Subject"] == "Your bonus: A bonus"
    assert f"{settings().url}/b/" in mail.get_content()
    assert counted(session, bonus["id"]) == 1
    assert attempts(session) == [("accepted", 250)]
    row = session.execute("SELECT address, length(address_digest) FROM bonus_deliveries").fetchone()
    assert row == (None, 32)


def test_both_parts_come_from_the_users_template(session: Tx, campaign: Made, server: Post) -> None:
    make.bonus(
        session, campaign["id"], name="Tips & <Tricks>", description="{{ receipt }}",
        metadata={
            "subject": "{{ bonus.name }} for {{receipt}}",
            "text": "Plain {{ bonus.name }} {{ bonus.description }} {{ nothing }}.",
            "html": '<a title="{{ bonus.name }}">{{ campaign.name }}</a>',
            "from_name": "Grace", "from_email": "grace@example.org", "reply_to": "re@example.org",
        },
    )  # fmt: skip
    sell(campaign, "R-77")

    sent(session, ("done", "delivered"))

    [mail] = server.mails
    plain, page = mail.iter_parts()
    assert (mail["From"], mail["Reply-To"]) == ("Grace <grace@example.org>", "re@example.org")
    assert mail["Subject"] == "Tips & <Tricks> for R-77"
    assert plain.get_content().strip() == "Plain Tips & <Tricks> {{ receipt }} ."
    assert '<a title="Tips &amp; &lt;Tricks&gt;">A campaign</a>' in page.get_content()


@pytest.mark.parametrize("line", ["\r\nBcc: all@example.com", "\nX-Evil: 1", "\r\n\r\nbody\0"])
def test_a_name_with_a_lines_end_makes_no_header(
    session: Tx, campaign: Made, server: Post, line: str
) -> None:
    meta = {"from_name": f"Grace{line}", "reply_to": f"re@example.org{line}"}
    shown = line.replace("\0", "")
    make.bonus(
        session, campaign["id"], name=f"Tips{shown}",
        metadata={name: value.replace("\0", "") for name, value in meta.items()},
    )  # fmt: skip
    sell(campaign, f"R1{shown}")

    sent(session, ("done", "delivered"))

    [mail] = server.mails
    assert server.recipients == [ADA]
    assert {"Bcc", "X-Evil"}.isdisjoint(mail.keys())
    assert mail["Subject"].startswith("Your bonus: Tips ")


def test_a_greylisted_mail_is_tried_again_and_is_the_same_mail(
    session: Tx, campaign: Made, bonus: Made, server: Post
) -> None:
    server.plan = ["451 4.7.1 greylisted, come back", "data 452 disk full", "take"]
    sell(campaign)

    sent(session, ("pending", None))
    until(lambda: attempts(session) == [("deferred", 451)], 10, "it was put off")
    row = session.execute(
        "SELECT last_error, next_attempt_at - now() BETWEEN '1 s' AND '5 s' FROM bonus_deliveries"
    ).fetchone()
    due_now(session)
    mailing.wake()
    until(lambda: len(attempts(session)) == 2, 10, "it was put off once more")
    until(lambda: attempts(session)[1][0] is not None, 10, "and it is known")
    due_now(session)
    sent(session, ("done", "delivered"))

    assert row == ("451 4.7.1 greylisted, come back", True)
    assert attempts(session) == [("deferred", 451), ("deferred", 452), ("accepted", 250)]
    assert len(server.mails) == 1
    assert counted(session, bonus["id"]) == 1


@pytest.mark.parametrize(
    "word", ["550 5.1.1 no such mailbox", "data 554 5.7.1 spam"], ids=["mailbox", "content"]
)
def test_a_refused_mail_is_a_dead_letter_with_the_servers_sentence(
    session: Tx, campaign: Made, bonus: Made, server: Post, word: str
) -> None:
    server.plan = [word]
    sell(campaign)

    sent(session, ("dead", "mail_refused"))

    said = session.execute("SELECT last_error FROM bonus_deliveries").fetchone()
    assert said == (word.removeprefix("data "),)
    assert counted(session, bonus["id"]) == 0


def test_a_connection_lost_after_the_mail_is_tried_once_more_and_then_buried(
    session: Tx, campaign: Made, bonus: Made, server: Post
) -> None:
    server.always = "drop"
    sell(campaign)

    sent(session, ("pending", None))
    until(lambda: attempts(session) == [("unknown", None)], 10, "nobody knows")
    until(lambda: states(session) == [("pending", None)], 10, "it waits")
    due_now(session)
    sent(session, ("dead", "outcome_unknown"))

    assert attempts(session) == [("unknown", None)] * 2
    assert len(set(server.ids())) == 1  # one Message-ID: who keeps mails can tell them apart
    assert counted(session, bonus["id"]) == 0


def test_one_that_is_replayed_after_that_is_sent_once_more(
    session: Tx, campaign: Made, bonus: Made, server: Post
) -> None:
    server.plan = ["drop", "drop"]
    sell(campaign)
    mailing.wake()
    until(lambda: attempts(session) == [("unknown", None)], 10, "nobody knows")
    due_now(session)
    sent(session, ("dead", "outcome_unknown"))

    session.execute("UPDATE bonus_deliveries SET state = 'pending', next_attempt_at = now()")
    sent(session, ("done", "delivered"))

    assert counted(session, bonus["id"]) == 1


def test_a_server_that_is_down_is_tried_again_without_a_count(
    session: Tx, campaign: Made, bonus: Made, server: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "HOPFLEET_SMTP_URL", "smtp://127.0.0.1:1")
    settings.cache_clear()
    sell(campaign)

    mailing.wake()
    until(lambda: attempts(session) == [("unreachable", None)], 10, "it is not there")
    quiet()
    monkeypatch.setitem(os.environ, "HOPFLEET_SMTP_URL", server.url)
    settings.cache_clear()
    due_now(session)
    sent(session, ("done", "delivered"))

    assert counted(session, bonus["id"]) == 1


def test_one_slow_server_holds_up_no_other(
    session: Tx, campaign: Made, bonus: Made, server: Post
) -> None:
    with post() as slow:
        slow.always = "hang"
        own = {"smtp": {"host": "localhost", "port": slow.port, "security": "none"}}
        other = make.campaign(session)
        theirs = make.bonus(session, other["id"], metadata=own)
        for number in range(40):
            sell(other, f"S{number}")
        sell(campaign, "R1")

        mailing.wake()
        until(lambda: len(server.mails) == 1, 10, "the quick one got its mail")
        until(lambda: counted(session, bonus["id"]) == 1, 10, "and it is counted")

        until(
            lambda: slow.offered == settings().smtp_connections, 10, "it is offered what it may be"
        )
        assert slow.mails == []
        assert counted(session, theirs["id"]) == 0
        session.execute("DELETE FROM bonus_deliveries WHERE state = 'pending'")


def test_a_mail_that_took_long_leaves_no_connection_open(
    session: Tx, campaign: Made, bonus: Made, server: Post
) -> None:
    server.plan = ["hang", "take"]
    sell(campaign, "R1")
    mailing.wake()
    until(lambda: server.offered == 1, 10, "the first is on its way")
    sell(campaign, "R2")
    mailing.wake()
    until(lambda: len(server.mails) == 1, 10, "the second has overtaken it")

    server.release()
    until(lambda: counted(session, bonus["id"]) == 2, 10, "both are counted")
    quiet()

    until(lambda: server.open == 0, 5, "no connection is left")


def test_somebody_who_holds_a_bonus_holds_up_no_other(
    session: Tx, connect: Connect, campaign: Made, bonus: Made, server: Post
) -> None:
    other = make.bonus(session, campaign["id"])
    holder = connect()
    with holder.transaction():
        holder.execute("SELECT FROM bonuses WHERE id = %s FOR UPDATE", (bonus["id"],))
        sell(campaign)
        mailing.wake()
        until(lambda: counted(session, other["id"]) == 1, 20, "the other is counted")
        held = counted(session, bonus["id"])

    sent(session, ("done", "delivered"), ("done", "delivered"))

    assert held == 0
    assert counted(session, bonus["id"]) == 1
    assert len(server.mails) == 2


def test_what_a_dead_worker_was_sending_is_sent_once_more_and_then_buried(
    session: Tx, campaign: Made, bonus: Made, server: Post
) -> None:
    sell(campaign)
    lost = (
        "WITH lost AS (UPDATE bonus_deliveries SET state = 'running', attempts = attempts + 1,"
        " lease_until = now() - interval '1 s' RETURNING id)"
        " INSERT INTO delivery_attempts (delivery_id, attempt, server) SELECT id, 1, 's' FROM lost"
    )
    session.execute(lost)

    server.plan = ["451 later"]
    sent(session, ("pending", None))
    until(lambda: attempts(session) == [("unknown", None), ("deferred", 451)], 10, "tried again")
    session.execute(lost)
    sent(session, ("dead", "outcome_unknown"))

    assert server.mails == []
    assert counted(session, bonus["id"]) == 0


def test_a_refund_on_the_way_sends_nothing_more(
    session: Tx, campaign: Made, bonus: Made, server: Post
) -> None:
    server.plan = ["451 later"]
    order = sell(campaign)
    sent(session, ("pending", None))
    until(lambda: attempts(session) == [("deferred", 451)], 10, "it was put off")
    buying.refund(order)

    mailing.wake()
    quiet()

    assert states(session) == [("done", "cancelled")]
    assert server.mails == []


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ("DELETE FROM bonuses", ("done", "bonus_gone")),
        ("UPDATE users SET status = 'suspended'", ("pending", None)),
        ("UPDATE bonus_deliveries SET address = 'nothing'", ("dead", "unsendable")),
    ],
    ids=["bonus_gone", "suspended", "address_unreadable"],
)
def test_what_cannot_be_sent_says_why(
    session: Tx, campaign: Made, bonus: Made, server: Post, change: str, state: Any
) -> None:
    sell(campaign)
    session.execute(change)

    sent(session, state)
    quiet()

    assert server.mails == []
    assert attempts(session) == []


def test_many_mails_go_out_at_once(session: Tx, campaign: Made, bonus: Made, server: Post) -> None:
    for number in range(100):
        sell(campaign, f"R{number}", f"buyer{number}@example.com")

    mailing.wake()
    until(lambda: counted(session, bonus["id"]) == 100, 30, "all are counted")

    assert len(set(server.recipients)) == len(server.mails) == 100
    assert len(set(server.ids())) == 100
