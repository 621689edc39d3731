"""Users: adding, finding, listing, changing, passwords."""

import pytest

from base.errors import Misused
from db import users
from db.connection import Tx
from db.paging import Place, place
from tests import make


def test_a_user_is_found_by_mail_and_by_id(tx: Tx) -> None:
    added = users.add(tx, "ada@example.com", full_name="Ada")

    assert users.find(tx, "ada@example.com") == added
    assert users.find(tx, str(added.id)) == added
    assert users.find(tx, "nobody@example.com") is None


def test_a_second_user_with_the_same_mail_is_refused(tx: Tx) -> None:
    users.add(tx, "ada@example.com")

    with pytest.raises(Misused, match=r"ada@example\.com"):
        users.add(tx, "ada@example.com")


def test_a_password_of_a_hundred_bytes_counts_to_its_last_one() -> None:
    stored = users.password_hash("x" * 99 + "y")

    assert users.password_matches("x" * 99 + "y", stored)
    assert not users.password_matches("x" * 99 + "z", stored)


def test_pages_of_users_hold_each_of_them_once(tx: Tx) -> None:
    # All in one transaction, so all at the same moment.
    made = {make.user(tx)["id"] for _ in range(5)}
    seen = []
    after: Place | None = None
    while page := users.page(tx, 2, after):
        seen += [row.id for row in page]
        after = place(str(Place(page[-1].created_at, page[-1].id)))

    assert len(seen) == 5
    assert set(seen) == made


def test_a_cursor_that_is_none_is_refused() -> None:
    with pytest.raises(Misused):
        place("yesterday")


def test_only_known_fields_of_a_user_are_set(tx: Tx) -> None:
    user = make.user(tx)

    changed = users.set_fields(tx, user["id"], {"status": "suspended", "tier": "agency"})

    assert changed is not None
    assert (changed.status, changed.tier) == ("suspended", "agency")
    with pytest.raises(Misused):
        users.set_fields(tx, user["id"], {"password_hash": "x"})


def test_a_user_is_marked_for_deletion_once(tx: Tx) -> None:
    user = make.user(tx)

    assert users.mark_purge(tx, user["id"])
    assert not users.mark_purge(tx, user["id"])
    assert users.delete(tx, user["id"])
    assert not users.delete(tx, user["id"])
