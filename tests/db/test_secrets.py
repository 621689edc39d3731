"""Secrets are sealed in their rows, and only this installation opens them."""

import pytest

from base.settings import settings
from db import secrets
from db.connection import Tx
from tests import make


def test_a_secret_is_sealed_and_opened_again(tx: Tx) -> None:
    user = make.user(tx)["id"]

    assert secrets.put(tx, user, "token", "s3cret-canary")

    row = tx.execute("SELECT sealed FROM workflow_secrets").fetchone()
    assert row is not None
    assert b"canary" not in bytes(row[0])
    assert secrets.opened(tx, user) == {"token": "s3cret-canary"}


def test_a_secret_of_the_same_name_takes_its_place(tx: Tx) -> None:
    user = make.user(tx)["id"]
    secrets.put(tx, user, "token", "old")

    assert not secrets.put(tx, user, "token", "new")

    assert secrets.opened(tx, user) == {"token": "new"}


def test_secrets_are_their_owners(tx: Tx) -> None:
    mine, theirs = make.user(tx)["id"], make.user(tx)["id"]
    secrets.put(tx, mine, "token", "mine")

    assert secrets.opened(tx, theirs) == {}
    assert secrets.names(tx, theirs) == []
    assert not secrets.delete(tx, theirs, "token")
    assert secrets.delete(tx, mine, "token")


def test_a_secret_of_a_lost_key_is_missing_and_the_others_are_not(
    tx: Tx, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = make.user(tx)["id"]
    secrets.put(tx, user, "lost", "value")
    monkeypatch.setenv("HOPFLEET_SECRET_KEY", "another key, with which nothing was sealed")
    settings.cache_clear()
    secrets.put(tx, user, "kept", "value")

    found, listed = secrets.opened(tx, user), secrets.names(tx, user)
    settings.cache_clear()

    assert found == {"kept": "value"}
    assert [(one.name, one.readable) for one in listed] == [("kept", True), ("lost", False)]
