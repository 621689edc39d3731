"""Content that the database will not publish: tried alone, later again, then a dead letter."""

from collections.abc import Iterator

import pytest

from base.clock import now
from db import letters, publications
from db.connection import Tx
from tests import make
from tests.conftest import Connect
from tests.workers.posts import HOUR, hurry, post, status
from workers.content import DELAYS_SECONDS, publish


@pytest.fixture
def session(connect: Connect) -> Tx:
    """Commits each statement, as another application would."""
    return connect()


@pytest.fixture
def refusing(session: Tx) -> Iterator[None]:
    """Another application's trigger, which wants no post without a title to go out."""
    session.execute(
        "CREATE FUNCTION want_title() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF NEW.title = 'veto' THEN RETURN NULL; END IF;"
        " IF NEW.title = 'slow' THEN PERFORM pg_sleep(60); END IF;"
        " IF NEW.title IS NULL THEN RAISE 'a post needs a title'; END IF; RETURN NEW; END $$"
    )
    session.execute(
        "CREATE TRIGGER want_title BEFORE UPDATE ON content FOR EACH ROW"
        " WHEN (NEW.status = 'published') EXECUTE FUNCTION want_title()"
    )
    yield
    session.execute("DROP FUNCTION want_title() CASCADE")


def test_a_post_that_is_refused_holds_up_no_other_and_is_tried_again(
    session: Tx, refusing: None
) -> None:
    bad = post(session, scheduled_for=now() - 2 * HOUR)
    good = [post(session, title="A title") for _ in range(3)]

    publish()
    meanwhile = status(session, bad, *good)
    said = session.execute("SELECT state, attempts, last_error FROM publications").fetchall()
    session.execute("UPDATE content SET title = 'Found one' WHERE id = %s", (bad,))
    hurry(session)
    publish()

    assert meanwhile == ["scheduled"] + ["published"] * 3
    assert said == [("pending", 1, "a post needs a title")]
    assert status(session, bad) == ["published"]


@pytest.mark.parametrize(
    ("title", "reason"), [(None, "refused_P0001"), ("veto", "vetoed")], ids=["raises", "vetoes"]
)
def test_what_is_refused_for_good_is_a_dead_letter_that_can_be_replayed(
    session: Tx, refusing: None, title: str | None, reason: str
) -> None:
    key = post(session, title=title)

    for _ in range(len(DELAYS_SECONDS) + 2):
        publish()
        hurry(session)
    [letter] = letters.page(session, "post", letters.Which(), 10)
    session.execute("UPDATE content SET title = 'A title'")
    letters.replay(session, "post", [letter.id])
    publish()

    assert (letter.reason, letter.attempts) == (reason, len(DELAYS_SECONDS) + 1)
    assert status(session, key) == ["published"]


def test_a_trigger_that_will_not_end_costs_the_others_seconds(session: Tx, refusing: None) -> None:
    slow = post(session, title="slow", scheduled_for=now() - 2 * HOUR)
    good = post(session, title="A title")

    publish()

    assert status(session, slow, good) == ["scheduled", "published"]
    assert session.execute("SELECT attempts FROM publications").fetchall() == [(1,)]


def test_posts_that_are_due_and_no_others_are_counted(session: Tx, refusing: None) -> None:
    post(session, make.user(session, status="suspended")["id"])
    post(session, scheduled_for=now() + HOUR)
    post(session)
    publish()
    post(session, title="A title")

    found = publications.depth(session)

    assert (found.waiting, found.retrying, found.dead) == (1, 1, {})
    assert 3590 < found.oldest_seconds < 3700
