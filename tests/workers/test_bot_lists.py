"""Own bot lists in a worker: what is read anew, and what a row says then."""

from collections.abc import Iterator

import orjson
import pytest

from base.ids import uuid7_hex
from db import bot_rules
from rules.bot_lists import BotLists
from schemas.items import Item
from tests import make
from tests.conftest import Connect
from workers import bot_lists
from workers.rows import row_of

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/140.0.0.0 Safari/537.36"


@pytest.fixture(autouse=True)
def _as_they_are_at_first() -> Iterator[None]:
    """The next test knows no rules of this one."""
    yield
    bot_lists._Known.version, bot_lists._Known.lists = (0, 0, 0), BotLists()


def bot(user: object) -> str | None:
    """The `bot` of a click's row."""
    item: Item = {
        "id": uuid7_hex(1_800_000_000_000), "type": "click", "user": str(user),
        "meta": {"ua": CHROME, "ip": "203.0.113.0"},
    }  # fmt: skip
    found: str | None = orjson.loads(row_of(item, None)[4]).get("bot")
    return found


def test_a_rule_acts_after_a_look_and_until_one_after_its_end(connect: Connect) -> None:
    session = connect()
    user, other = make.user(session)["id"], make.user(session)["id"]
    rule = bot_rules.add(session, user, "network", "203.0.113.0/24", "own_list")
    before = bot(user)
    bot_lists.look()
    during = (bot(user), bot(other))
    bot_rules.remove(session, rule)
    bot_rules.add(session, None, "agent", "nobody", "own_list")
    bot_lists.look()

    assert (before, during, bot(user)) == (None, ("own_list", None), None)


def test_a_rule_that_is_none_is_told_and_others_act(
    connect: Connect, capsys: pytest.CaptureFixture[str]
) -> None:
    session = connect()
    user = make.user(session)["id"]
    bot_rules.add(session, None, "pattern", "(", "own_list")
    bot_rules.add(session, None, "agent", "chrome", "own_list")

    bot_lists.look()

    assert bot(user) == "own_list"
