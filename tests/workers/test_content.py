"""Content: a post goes out when its time has come, once, and holds up no other."""

import threading
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from base.clock import now
from db import publications
from db.connection import Tx
from tests import make
from tests.conftest import Connect
from tests.workers.posts import HOUR, hurry, post, status
from workers.content import publish


@pytest.fixture
def session(connect: Connect) -> Tx:
    """Commits each statement, as another application would."""
    return connect()


def owed(session: Tx) -> list[tuple[Any, ...]]:
    return session.execute("SELECT content_id FROM publications ORDER BY id").fetchall()


def test_a_post_that_is_due_goes_out_once(session: Tx) -> None:
    before = now() - HOUR
    key = post(session)

    publish()
    first = session.execute("SELECT status, published_at FROM content").fetchone()
    publish()

    assert first is not None
    assert first[0] == "published"
    assert first[1] > before
    assert session.execute("SELECT status, published_at FROM content").fetchone() == first
    assert (status(session, key), owed(session)) == (["published"], [])


@pytest.mark.parametrize(
    "columns",
    [
        {"scheduled_for": now() + HOUR},
        {"scheduled_for": None},
        {"status": "draft"},
        {"status": "archived"},
    ],
    ids=["later", "no time", "draft", "archived"],
)
def test_other_posts_stay_as_they_are(session: Tx, columns: dict[str, Any]) -> None:
    key = post(session, **columns)

    publish()

    assert status(session, key) == [columns.get("status", "scheduled")]


@pytest.mark.parametrize(
    ("when", "becomes"),
    [
        ("-infinity", "published"),
        ("4712-01-01 BC", "published"),
        ("infinity", "scheduled"),
        ("29999-01-01", "scheduled"),
    ],
)
def test_times_that_only_the_database_can_read_are_past_or_never(
    session: Tx, when: str, becomes: str
) -> None:
    key = post(session, scheduled_for=now() + HOUR)
    session.execute("UPDATE content SET scheduled_for = %s", (when,))

    publish()

    assert status(session, key) == [becomes]


def test_what_was_put_off_or_withdrawn_stays(session: Tx) -> None:
    later, draft, moved, gone = (post(session) for _ in range(4))
    session.execute("UPDATE content SET scheduled_for = now() + '1 day' WHERE id = %s", (later,))
    session.execute("UPDATE content SET status = 'draft' WHERE id = %s", (draft,))
    session.execute("UPDATE content SET scheduled_for = NULL WHERE id = %s", (moved,))
    session.execute("DELETE FROM content WHERE id = %s", (gone,))

    publish()

    assert status(session, later, draft, moved) == ["scheduled", "draft", "scheduled"]
    assert owed(session) == [(later,)]


def test_a_post_that_somebody_is_changing_is_left_alone_and_others_go(
    session: Tx, connect: Connect
) -> None:
    held, other = post(session), post(session)
    author = connect()

    with author.transaction():
        author.execute("UPDATE content SET status = 'paused' WHERE id = %s", (held,))
        publish()
        meanwhile = status(session, held, other)
    publish()

    assert meanwhile == ["scheduled", "published"]
    assert status(session, held) == ["paused"]


def test_a_post_that_was_brought_forward_goes_now(session: Tx) -> None:
    key = post(session, scheduled_for=now() + HOUR)
    session.execute("UPDATE content SET scheduled_for = now()")

    publish()

    assert status(session, key) == ["published"]


def test_a_post_that_is_scheduled_again_goes_out_again_with_its_new_moment(session: Tx) -> None:
    key = post(session, published_at=now() - timedelta(days=9))

    publish()

    row = session.execute("SELECT published_at FROM content WHERE id = %s", (key,)).fetchone()
    assert row is not None
    assert row[0] > now() - HOUR


def test_what_went_out_at_its_time_keeps_the_moment(session: Tx) -> None:
    at = now() - timedelta(minutes=9)
    post(session, published_at=at)

    publish()

    assert session.execute("SELECT status, published_at FROM content").fetchall() == [
        ("published", at)
    ]


def test_many_publishers_at_once_publish_each_post_once(session: Tx) -> None:
    session.execute("CREATE TABLE seen (id UUID)")
    session.execute(
        "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " INSERT INTO seen VALUES (NEW.id); RETURN NULL; END $$"
    )
    session.execute(
        "CREATE TRIGGER see AFTER UPDATE OF status ON content FOR EACH ROW EXECUTE FUNCTION see()"
    )
    user = make.user(session)["id"]
    session.execute(
        "INSERT INTO content (user_id, type, body, status, scheduled_for)"
        " SELECT %s, 'email', '', 'scheduled', now() FROM generate_series(1, 1500)",
        (user,),
    )

    threads = [threading.Thread(target=publish) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    publish()

    seen = session.execute("SELECT count(*), count(DISTINCT id) FROM seen").fetchone()
    session.execute("DROP FUNCTION see() CASCADE")
    session.execute("DROP TABLE seen")
    assert seen == (1500, 1500)


@pytest.mark.parametrize("quiet", ["suspended", "canceled"])
def test_posts_of_a_suspended_owner_wait_and_go_when_that_ends(session: Tx, quiet: str) -> None:
    user = make.user(session, status=quiet)["id"]
    keys = [post(session, user) for _ in range(3)]
    other = post(session)

    publish()
    meanwhile = status(session, *keys, other)
    looked_at = publications.fresh(session, 10)
    session.execute("UPDATE users SET status = 'active' WHERE id = %s", (user,))
    publish()

    assert meanwhile == ["scheduled"] * 3 + ["published"]
    assert looked_at == []
    assert status(session, *keys) == ["published"] * 3
    assert owed(session) == []


def test_who_is_suspended_again_at_once_waits_again(session: Tx) -> None:
    user = make.user(session, status="suspended")["id"]
    key = post(session, user)
    publish()

    for word in ("active", "suspended"):
        session.execute("UPDATE users SET status = %s WHERE id = %s", (word, user))
    publish()
    meanwhile = status(session, key)
    session.execute("UPDATE users SET status = 'trial' WHERE id = %s", (user,))
    publish()

    assert meanwhile == ["scheduled"]
    assert status(session, key) == ["published"]


def test_an_owner_whose_row_is_held_is_asked_again(session: Tx, connect: Connect) -> None:
    user = make.user(session, status="suspended")["id"]
    key = post(session, user)
    admin = connect()

    with admin.transaction():
        admin.execute("UPDATE users SET status = 'active' WHERE id = %s", (user,))
        publish()
        meanwhile = session.execute("SELECT held FROM publications").fetchall()
    hurry(session)
    publish()

    assert meanwhile == [(False,)]
    assert status(session, key) == ["published"]


def test_a_row_that_was_changed_behind_the_triggers_is_gone_by(session: Tx) -> None:
    keys = [post(session) for _ in range(2)]
    session.execute("ALTER TABLE content DISABLE TRIGGER USER")
    session.execute("UPDATE content SET status = 'draft' WHERE id = %s", (keys[0],))
    session.execute("UPDATE content SET scheduled_for = 'infinity' WHERE id = %s", (keys[1],))
    session.execute("ALTER TABLE content ENABLE TRIGGER USER")

    publish()

    assert status(session, *keys) == ["draft", "scheduled"]
    assert owed(session) == [(keys[1],)]
    assert publications.depth(session).waiting == 0


def plan(session: Tx, query: str) -> str:
    return str(session.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}").fetchall())


def test_published_history_and_posts_that_wait_cost_nothing(session: Tx) -> None:
    user = make.user(session)["id"]
    quiet = make.user(session, status="suspended")["id"]
    for owner, word, count in ((user, "published", 20_000), (quiet, "scheduled", 2_000)):
        session.execute(
            "INSERT INTO content (user_id, type, body, status, scheduled_for)"
            " SELECT %s, 'email', '', %s, now() - n * interval '1 s' FROM generate_series(1, %s) n",
            (owner, word, count),
        )
    publish()
    key = post(session)
    session.execute("ANALYZE content, publications")

    with session.transaction():
        found = publications.fresh(session, 100)
        asked = plan(
            session,
            "SELECT id FROM publications WHERE state = 'pending'"
            " AND next_attempt_at <= statement_timestamp()",
        )

    assert [one.content_id for one in found] == [key]
    assert "idx_publications_due" in asked


def test_the_list_never_holds_up_other_applications_for_ever(session: Tx, database: str) -> None:
    """Posts and accounts change from all sides at once: no deadlock, and nothing is left over."""
    users = [make.user(session)["id"] for _ in range(3)]
    for owner in users:
        for _ in range(20):
            post(session, owner)
    faults: list[Exception] = []

    def change(*queries: str) -> None:
        with psycopg.connect(database, autocommit=True) as own:
            for at in range(40):
                try:
                    with own.transaction():
                        for query in queries:
                            own.execute(query, {"user": users[at % 3]})
                except psycopg.Error as error:
                    faults.append(error)

    again = (
        "UPDATE content SET status = 'scheduled', scheduled_for = now() WHERE user_id = %(user)s"
    )
    flip = "UPDATE users SET status = CASE status WHEN 'active' THEN 'suspended' ELSE 'active' END"
    threads = [
        threading.Thread(target=change, args=(again,)),
        threading.Thread(target=change, args=(flip + " WHERE id = %(user)s",)),
        threading.Thread(target=lambda: [publish() for _ in range(40)]),
        threading.Thread(target=lambda: [publish() for _ in range(40)]),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    session.execute("UPDATE users SET status = 'active'")
    hurry(session)
    publish()

    assert faults == []
    assert session.execute("SELECT DISTINCT status FROM content").fetchall() == [("published",)]
