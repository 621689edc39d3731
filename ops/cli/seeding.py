"""Events that look real: what a year of visitors does, out of a random generator."""

import math
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from uuid import UUID

from base.ids import uuid7_hex
from rules.times import iso, to_ms
from schemas.items import Item
from workers.rows import Row, row_of

_SOURCES = ("facebook", "google", "newsletter", "youtube.com", "tiktok", "blog.example", "bing")
_COUNTRIES = ("US", "US", "US", "GB", "DE", "CA", "AU", "FR", "IN", "BR", "NL", "SE")
_AGENTS = (
    *(
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15"
        " (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
        "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko)"
        " Chrome/131.0.0.0 Mobile Safari/537.36",
    )
    * 3,
    *(
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
        " Chrome/131.0.0.0 Safari/537.36",
    )
    * 3,
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
    " Version/18.1 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
)
# Of a hundred events: most are clicks, a few of the clickers buy, some of those regret it.
_TYPES = ("click", "view", "conversion", "rebill", "refund")
_TYPE_WEIGHTS = (72, 24, 3, 0.7, 0.3)
# By hour of the day in UTC: quiet nights, a long evening of the Americas.
_HOURS = (7, 6, 5, 4, 3, 2, 2, 2, 3, 3, 4, 4, 5, 6, 7, 8, 8, 8, 8, 9, 9, 9, 9, 8)
_PRICES = ("27.00", "37.00", "47.00", "67.00", "97.00", "197.00")


def rows(
    dice: random.Random, owned: Sequence[tuple[UUID, UUID]], until: datetime, days: int
) -> Iterator[Row]:
    """Rows of `analytics_events` without end, of the `days` before `until`, in no order.

    `owned` are (user, campaign) pairs, the busiest first: the n-th gets 1/n of the first's.
    """
    weights = list(accumulate(1 / rank for rank in range(1, len(owned) + 1)))
    while True:
        [(user, campaign)] = dice.choices(owned, cum_weights=weights)
        yield row_of(_item(dice, str(user), str(campaign), _moment(dice, until, days)), None)


def _moment(dice: random.Random, until: datetime, days: int) -> datetime:
    """Any day, the later ones a little more often; never after `until`."""
    back = int(days * (1 - math.sqrt(dice.random())))
    day = until - timedelta(days=back)
    [hour] = dice.choices(range(24), _HOURS)
    moment = datetime(day.year, day.month, day.day, hour, tzinfo=UTC) + timedelta(
        seconds=dice.random() * 3600
    )
    return moment if moment < until else moment - timedelta(days=1)


def _item(dice: random.Random, user: str, campaign: str, moment: datetime) -> Item:
    ms = to_ms(moment)
    [kind] = dice.choices(_TYPES, _TYPE_WEIGHTS)
    visitor = dice.getrandbits(128)
    item: Item = {
        "id": uuid7_hex(ms),
        "type": kind,
        "user": user,
        "campaign": campaign,
        "source": dice.choice(_SOURCES),
        "meta": {
            "received_at": iso(moment),
            "ip": f"198.51.{dice.randrange(256)}.0",
            "visitor": f"{visitor:032x}",
            "ua": dice.choice(_AGENTS),
            "country": dice.choice(_COUNTRIES),
            "sub1": f"ad{int(dice.paretovariate(1.2))}",
        },
    }
    if kind in ("conversion", "rebill", "refund"):
        item["amount"], item["currency"] = dice.choice(_PRICES), "USD"
        item["meta"] |= {"order_id": f"S-{visitor % 10**10:010d}", "currency": "USD"}
    return item
