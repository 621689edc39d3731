"""Links and the log of their changes: whoever changes something, a poll tells once."""

import pytest

from db import accounts, campaigns, keys, links, users
from db.connection import Tx
from tests import make
from tests.conftest import Connect

Changes = list[tuple[str, str]]


class Poll:
    """A reader of the log, as each door has one."""

    def __init__(self, session: Tx) -> None:
        self._session = session
        _, self._cursor = links.changes(session, None)

    def __call__(self) -> Changes:
        found, self._cursor = links.changes(self._session, self._cursor)
        return found


def test_a_link_is_found_with_what_its_owner_has_set(tx: Tx) -> None:
    made = make.campaign(tx, tracking_id="abc", settings={"pass_through": True})
    accounts.set_fallback(tx, made["user_id"], "https://example.com/lost")

    [row] = links.find(tx, ["abc", "unknown"])

    assert row == (
        "abc", str(made["id"]), str(made["user_id"]), "active", "https://example.com/",
        {"pass_through": True}, "active", "https://example.com/lost",
    )  # fmt: skip
    assert accounts.fallback(tx, made["user_id"]) == "https://example.com/lost"


def test_settings_that_are_no_object_are_none(tx: Tx) -> None:
    made = make.campaign(tx)
    tx.execute("UPDATE campaigns SET settings = '[1, 2]'")

    [row] = links.find(tx, [made["tracking_id"]])
    assert row.settings is None


def test_a_link_marked_for_deletion_is_gone_and_said(tx: Tx) -> None:
    one, other = make.campaign(tx), make.campaign(tx)
    tx.commit()
    poll = Poll(tx)

    campaigns.mark_purge(tx, one["id"])
    users.mark_purge(tx, other["user_id"])
    tx.commit()

    assert links.find(tx, [one["tracking_id"], other["tracking_id"]]) == []
    assert set(poll()) == {("link", one["tracking_id"]), ("user", str(other["user_id"]))}


def test_inserts_updates_and_deletes_of_campaigns_are_said(connect: Connect) -> None:
    session = connect()
    user = make.user(session)["id"]
    poll = Poll(session)

    made = make.campaign(session, user_id=user, tracking_id="one")
    assert poll() == [("link", "one")]
    session.execute("UPDATE campaigns SET tracking_id = 'two' WHERE id = %s", (made["id"],))
    assert set(poll()) == {("link", "one"), ("link", "two")}
    session.execute("UPDATE campaigns SET settings = '{\"a\": 1}'")
    assert poll() == [("link", "two")]
    session.execute("DELETE FROM campaigns")
    assert poll() == [("link", "two")]
    assert poll() == []


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE campaigns SET name = 'new', funnel_type = 'vsl'",
        "UPDATE campaigns SET status = status, affiliate_link = affiliate_link",
        "UPDATE campaigns SET tracking_id = NULL WHERE false",
        "UPDATE users SET email = 'new@example.com', tier = 'agency'",
        "UPDATE api_keys SET last_used_at = now()",
        "UPDATE accounts SET fallback_url = fallback_url",
        "INSERT INTO campaigns (user_id, name) SELECT id, 'no link yet' FROM users",
        "INSERT INTO users (email, password_hash) VALUES ('no-links@example.com', '-')",
    ],
)
def test_what_no_door_looks_at_is_not_said(connect: Connect, change: str) -> None:
    session = connect()
    made = make.campaign(session)
    make.api_key(session, made["user_id"])
    accounts.set_fallback(session, made["user_id"], "https://example.com/lost")
    poll = Poll(session)

    session.execute(change.encode())

    assert poll() == []


def test_changes_of_users_accounts_and_keys_are_said(connect: Connect) -> None:
    session = connect()
    user = make.user(session)["id"]
    said = ("user", str(user))
    poll = Poll(session)

    session.execute("UPDATE users SET status = 'suspended'")
    assert poll() == [said]
    accounts.set_fallback(session, user, "https://example.com/a")
    assert poll() == [said]
    accounts.set_fallback(session, user, None)
    assert poll() == [said]
    key_id, text = keys.add(session, user, "key")
    assert poll() == [("key", keys.digest_of(text).hex())]
    keys.revoke(session, key_id)
    assert poll() == [("key", keys.digest_of(text).hex())]
    session.execute("DELETE FROM accounts")
    assert poll() == [said]


def test_a_deleted_user_takes_links_and_keys_along(connect: Connect) -> None:
    session = connect()
    made = make.campaign(session)
    key = make.api_key(session, made["user_id"])
    poll = Poll(session)

    session.execute("DELETE FROM users")

    assert set(poll()) == {
        ("user", str(made["user_id"])),
        ("link", made["tracking_id"]),
        ("key", key["digest"].hex()),
    }


def test_one_statement_over_many_rows_says_each(connect: Connect) -> None:
    session = connect()
    user = make.user(session)["id"]
    made = {make.campaign(session, user_id=user)["tracking_id"] for _ in range(50)}
    poll = Poll(session)

    session.execute("UPDATE campaigns SET status = 'paused'")

    assert set(poll()) == {("link", tracking_id) for tracking_id in made}


@pytest.mark.parametrize("table", ["campaigns", "users", "api_keys"])
def test_emptying_a_table_says_all(connect: Connect, table: str) -> None:
    session = connect()
    poll = Poll(session)

    session.execute(f"TRUNCATE {table} CASCADE".encode())

    assert "all" in {noun for noun, _ in poll()}


def test_a_change_that_commits_late_is_not_missed(connect: Connect) -> None:
    reader, early, late = connect(), connect(), connect()
    user = make.user(early)["id"]
    poll = Poll(reader)

    with late.transaction():
        make.campaign(late, user_id=user, tracking_id="late")
        make.campaign(early, user_id=user, tracking_id="early")
        during = poll()
        again = poll()
    after = poll()

    assert during == [("link", "early")]
    assert again == []
    assert after == [("link", "late")]
    assert poll() == []


def test_a_change_that_is_rolled_back_is_never_said(connect: Connect) -> None:
    reader, writer = connect(), connect()
    user = make.user(writer)["id"]
    poll = Poll(reader)

    with writer.transaction(force_rollback=True):
        make.campaign(writer, user_id=user)

    assert poll() == []


def test_old_changes_are_pruned_and_steady_readers_go_on(connect: Connect) -> None:
    session = connect()
    user = make.user(session)["id"]
    for _ in range(3):
        make.campaign(session, user_id=user)
    poll = Poll(session)
    session.execute("UPDATE link_changes SET changed_at = now() - interval '2 days'")

    assert links.prune(session, 24) == 2
    assert poll() == []
    new = make.campaign(session, user_id=user)["tracking_id"]
    assert poll() == [("link", new)]


def test_a_reader_that_was_away_too_long_is_told_to_start_anew(connect: Connect) -> None:
    session = connect()
    user = make.user(session)["id"]
    make.campaign(session, user_id=user)
    poll = Poll(session)
    for _ in range(3):
        make.campaign(session, user_id=user)
    session.execute("UPDATE link_changes SET changed_at = now() - interval '2 days'")
    links.prune(session, 24)

    with pytest.raises(links.CursorLost):
        poll()


def test_a_log_that_is_older_than_the_reader_starts_it_anew(connect: Connect) -> None:
    session = connect()
    make.campaign(session)
    poll = Poll(session)
    session.execute("DELETE FROM link_changes")  # as in a database restored from before

    with pytest.raises(links.CursorLost):
        poll()


def test_the_log_is_written_with_the_rights_of_the_tables_owner(connect: Connect) -> None:
    # A role that may change campaigns, and nothing else, must not fail because of our log.
    rows = connect().execute(
        "SELECT DISTINCT prosecdef, proconfig FROM pg_trigger JOIN pg_proc p ON p.oid = tgfoid"
        " WHERE proname LIKE 'hopfleet_log_%'"
    )

    assert rows.fetchall() == [(True, ["search_path=public, pg_temp"])]
