"""The marketplace's search as a source: what it tells is kept beside products, and changes none.

Products of live campaigns are asked for first, each by its seller's name, then whole categories,
the most gravity first. Each page is a transaction; a run that was stopped begins anew, and
rewrites nothing that is the same.
"""

from collections.abc import Callable, Iterator

import orjson

from base.logs import log
from base.settings import settings
from db import marketplace_hits
from db.connection import transaction
from db.product_syncs import Row
from integrations.marketplace_search import (
    ADDRESS,
    Hits,
    MarketplaceSearch,
    SearchAway,
    SearchRefused,
)
from rules.feed_refusals import Refusal
from rules.marketplace_hits import kept, site
from workers.clickbank_turns import BudgetSpent, search_turns
from workers.products.feed import Progress, Refused, Said
from workers.products.keeping import Keeping
from workers.products.tally import Tally
from workers.stopping import wait

_MOST_LIVE = 500
_MOST_CATEGORIES = 100
_MOST_HITS = 30_000  # of one category: far more than the marketplace has
_LIMIT_SECONDS = 60.0
_NOTHING = Refusal(
    "no_products",
    "There is no product that the search could tell of: run `hopfleet products sync` first.",
)

Question = Callable[[MarketplaceSearch], Iterator[Hits]]


def sync(row: Row, keeping: Keeping, said: Said) -> None:
    """Ask for all; raises `Refused`, `Transient`, `LeaseLost`, `Stopped`."""
    with transaction(limit_seconds=_LIMIT_SECONDS) as tx:
        live = marketplace_hits.live(tx, _MOST_LIVE)
        categories = marketplace_hits.categories(tx, _MOST_CATEGORIES)
    if not live and not categories:
        raise Refused(_NOTHING)
    # Counts of a run that begins anew are those of its last beginning.
    tally = Tally({**row, "seen": 0, "updated": 0, "unchanged": 0, "listings": 0}, keeping)
    questions = [*map(_seller, live), *map(_category, categories)]

    def pause(seconds: float) -> None:
        wait(seconds)
        keeping.rest()  # whoever is to stop asks no more

    address = settings().marketplace_search_url or ADDRESS
    with MarketplaceSearch(address, search_turns(pause)) as client:
        try:
            for at, question in enumerate(questions):
                keeping.share = at / len(questions)
                said(Progress("ask", at, len(questions)))
                keeping.rest()
                for page in question(client):
                    _keep(page, tally)
                    keeping.rest()
        except SearchRefused as error:
            raise Refused(Refusal(error.reason, str(error))) from None
        except BudgetSpent as error:
            log().warning("products.search_limited", left=len(questions) - at)
            tally.leave(len(questions) - at, str(error))
    tally.end(None)


def _seller(name: str) -> Question:
    return lambda client: iter((client.by_nickname(name),))


def _category(name: str) -> Question:
    def pages(client: MarketplaceSearch) -> Iterator[Hits]:
        offset, before = 0, None
        while offset < _MOST_HITS:
            page = client.by_category(name, offset)
            if page.hits and page == before:
                raise SearchAway("The marketplace search tells the same page again.")
            yield page
            offset += len(page.hits)
            if not page.hits or offset >= page.total:
                return
            before = page

    return pages


def _keep(page: Hits, tally: Tally) -> None:
    hits: dict[str, str] = {}
    for hit in page.hits:
        if name := site(hit):
            hits.setdefault(name, orjson.dumps(kept(hit)).decode())
    with transaction(limit_seconds=_LIMIT_SECONDS) as tx:
        found = marketplace_hits.keep(tx, hits)
        tally.listings += len(page.hits)
        tally.count(len(hits), 0, found.updated, found.known - found.updated)
        tally.note(tx)
