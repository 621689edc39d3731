"""API keys: shown once, found by their digest while they are valid."""

from db import keys, users
from db.connection import Tx
from tests import make


def test_a_key_is_found_by_the_digest_of_its_text(tx: Tx) -> None:
    user = make.user(tx)["id"]

    key_id, text = keys.add(tx, user, "server", ["events:write", "reports:read"])

    digest = keys.digest_of(text)
    assert keys.find(tx, [digest, b"other"]) == [
        (digest.hex(), str(user), ["events:write", "reports:read"], "active")
    ]
    [listed] = keys.list_(tx, user)
    assert (listed.id, listed.name, text.startswith(listed.prefix)) == (key_id, "server", True)


def test_the_text_of_a_key_is_in_no_column(tx: Tx) -> None:
    _, text = keys.add(tx, make.user(tx)["id"], "server")

    row = tx.execute("SELECT to_jsonb(k)::text FROM api_keys k").fetchone()
    assert row is not None
    assert text[10:] not in row[0]


def test_a_revoked_key_and_one_of_a_leaving_user_are_not_found(tx: Tx) -> None:
    stays, leaves = make.user(tx)["id"], make.user(tx)["id"]
    key_id, revoked = keys.add(tx, stays, "a")
    _, orphan = keys.add(tx, leaves, "b")

    assert keys.revoke(tx, key_id)
    assert not keys.revoke(tx, key_id)
    users.mark_purge(tx, leaves)

    assert keys.find(tx, [keys.digest_of(revoked), keys.digest_of(orphan)]) == []
    assert len(keys.list_(tx)) == 2


def test_a_typing_error_is_seen_without_the_database() -> None:
    text = keys.mint()

    assert keys.well_formed(text)
    assert len(text) >= 3 + 43
    typos = (text[:-1], text + "0", "xx" + text[2:], text[:9] + "!" + text[10:])
    for wrong in ("", "hf_", "é" * 60, *typos):
        assert not keys.well_formed(wrong)


def test_use_is_noted_to_the_minute(tx: Tx) -> None:
    _, text = keys.add(tx, make.user(tx)["id"], "a")

    assert keys.touch(tx, [keys.digest_of(text)]) == 1
    assert keys.touch(tx, [keys.digest_of(text)]) == 0
    assert keys.list_(tx)[0].last_used_at is not None
