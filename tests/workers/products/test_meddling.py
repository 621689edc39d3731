"""Syncs while others meddle: ids that are renamed, files that are replaced, ends that fail."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from db.connection import Tx, transaction
from db.product_syncs import FEED
from tests.conftest import Connect
from tests.workers.products.feeds import Feed
from tests.workers.products.test_syncing import sync
from workers.products import syncing
from workers.products.keeping import Stopped


def _ask(path: Path) -> int:
    with transaction() as tx:
        return syncing.ask(tx, FEED, str(path), is_forced=False, asked_by="command")


def test_a_product_that_was_given_another_id_is_missing_and_its_own_is_new(
    connect: Connect, tmp_path: Path
) -> None:
    sync(Feed().many(4).write(tmp_path / "1.xml"))
    session = connect()
    session.execute("UPDATE products SET clickbank_id = 'mine' WHERE clickbank_id = 'p1'")

    renamed = sync(Feed().many(4).write(tmp_path / "2.xml"))
    changed = sync(Feed().many(4, gravity=5).write(tmp_path / "3.xml"))
    same = sync(tmp_path / "3.xml")

    assert (renamed.inserted, renamed.updated, renamed.missing) == (1, 0, 1)
    assert (changed.inserted, changed.updated, changed.missing) == (0, 4, 1)
    assert (same.inserted, same.updated, same.missing) == (0, 0, 1)
