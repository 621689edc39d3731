"""The catalogue's upkeep: each day's sync, trends, and what ended syncs have left."""

from base.settings import settings
from db import (
    api_turns,
    product_entries,
    product_stage,
    product_syncs,
    product_words,
    retention,
)
from db.connection import transaction
from db.product_syncs import API, FEED, SEARCH
from workers.maintenance.reconciling import accounts

SCHEDULE = "schedule"
SYNCS_DAYS = 90
HISTORY_DAYS = 25 * 31
_CHUNK = 5_000
_LIMIT_SECONDS = 300.0


def owe_daily() -> None:
    """Ask for a sync from the address of the last one; nothing before somebody has synced so.

    A feed that was a file is somebody's own business: nobody knows when it is made anew, and it
    does not end what an address is asked for. Accounts with an API key are asked behind it, and
    the marketplace's search where its address is set.
    """
    with transaction(limit_seconds=_LIMIT_SECONDS) as tx:
        last = product_syncs.last_fetched(tx, FEED)
        if last is not None:
            product_syncs.ask(tx, FEED, last["address"], is_forced=False, asked_by=SCHEDULE)
    with transaction(limit_seconds=_LIMIT_SECONDS) as tx:
        if accounts(tx):
            product_syncs.ask(tx, API, None, is_forced=False, asked_by=SCHEDULE)
        if settings().marketplace_search_url:
            product_syncs.ask(tx, SEARCH, None, is_forced=False, asked_by=SCHEDULE)
    with transaction(limit_seconds=_LIMIT_SECONDS) as tx:
        product_entries.refresh_trends(tx)
    with transaction(limit_seconds=_LIMIT_SECONDS) as tx:
        product_words.refresh(tx)


def clear() -> None:
    """Forget old syncs and old days of history; drop staging tables that nobody works on."""
    with transaction(limit_seconds=_LIMIT_SECONDS) as tx:
        staged = product_stage.staged(tx)
        living = product_syncs.unended(tx)  # looked up later: a row is there before its tables
        for sync_id in set(staged) - set(living):
            product_stage.Stage(sync_id).drop(tx)
    with transaction(limit_seconds=_LIMIT_SECONDS) as tx:
        retention.product_syncs(tx, SYNCS_DAYS)
        api_turns.forget(tx)
    while True:
        with transaction(limit_seconds=_LIMIT_SECONDS) as tx:
            if retention.product_history(tx, HISTORY_DAYS, _CHUNK) < _CHUNK:
                return
