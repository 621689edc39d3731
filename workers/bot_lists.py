"""The own bot lists as this process knows them, looked at again about each second."""

import psycopg
from psycopg.errors import UndefinedTable

from base.errors import StoreAway
from base.logs import log
from db import bot_rules
from db.connection import transaction
from rules.bot_lists import BotLists

_WAIT_SECONDS = 1.0


class _Known:
    """What was read last; it goes on to hold while PostgreSQL is away."""

    version: tuple[int, ...] = (0, 0, 0)
    lists = BotLists()


def lists() -> BotLists:
    """The rules that hold now."""
    return _Known.lists


def look() -> None:
    """Read the rules again if they have changed; raises nothing while PostgreSQL is away."""
    try:
        with transaction(wait_seconds=_WAIT_SECONDS, limit_seconds=5) as tx:
            version = bot_rules.version(tx)
            if version == _Known.version:
                return
            _Known.lists, _Known.version = BotLists(bot_rules.read(tx)), version
    except (StoreAway, UndefinedTable, psycopg.Error):
        return  # the tables of the release before have no rules; others tell of an outage
    for user, kind, pattern, _ in _Known.lists.unread:
        log().warning("bot_rule.unread", user=user, kind=kind, pattern=pattern[:100])
