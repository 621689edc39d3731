"""Notices: a mail to the account's owner, once for each thing there is to tell."""

from uuid import uuid4

import orjson
import pytest
from structlog.testing import capture_logs

from base.sealing import unseal
from base.settings import settings
from db.connection import Tx
from tests import make
from tests.conftest import Connect
from workers.notices import tell


@pytest.fixture
def session(connect: Connect) -> Tx:
    """Commits each statement."""
    return connect()


def mails(session: Tx) -> list[dict[str, str]]:
    """What is to be sent, opened."""
    rows = session.execute("SELECT request FROM calls WHERE kind = 'mail' ORDER BY id")
    return [orjson.loads(unseal(row[0], settings())) for row in rows]


def test_a_notice_is_one_mail_to_the_owners_address(session: Tx) -> None:
    user = make.user(session, email="owner@example.com")["id"]

    told = tell(session, user, "kind", "ref", "A subject", "A text\n")

    assert told
    assert mails(session) == [
        {"to": "owner@example.com", "subject": "A subject", "text": "A text\n", "html": None}
    ]


def test_the_same_is_told_once_and_other_things_beside_it(session: Tx) -> None:
    user = make.user(session)["id"]
    said = [("kind", "ref"), ("kind", "ref"), ("kind", "other"), ("another", "ref")]

    told = [tell(session, user, kind, ref, "s", "t") for kind, ref in said]

    assert told == [True, False, True, True]
    assert len(mails(session)) == 3


def test_a_subject_is_one_line_whatever_stands_in_it(session: Tx) -> None:
    user = make.user(session)["id"]

    tell(session, user, "kind", "", "A\r\nBcc: other@example.com\u2028" + "x" * 300, "t")

    subject = mails(session)[0]["subject"]
    assert subject.startswith("A Bcc: other@example.com xxx")
    assert len(subject) == 200


def test_nobody_is_told_when_the_user_is_gone(session: Tx) -> None:
    assert not tell(session, uuid4(), "kind", "ref", "s", "t")
    assert mails(session) == []


def test_an_address_is_in_no_log_and_no_readable_column(session: Tx) -> None:
    user = make.user(session, email="canary-address@example.com")["id"]

    with capture_logs() as lines:
        tell(session, user, "kind", "ref", "s", "t")

    row = session.execute("SELECT calls::text, notices::text FROM calls, notices").fetchone()
    assert "canary-address" not in f"{lines}{row}"
    assert b"canary-address".hex() not in f"{row}"
