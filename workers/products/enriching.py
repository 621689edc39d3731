"""ClickBank's API as a source: own products, and refund rates of what the accounts have sold.

Each integration with an API key is asked, page by page; each page is a transaction, so whoever
goes on, or repeats it, does no harm.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta

import orjson

from base.clock import now
from base.logs import log
from base.settings import settings
from db import own_products, product_asks, vendor_sales
from db.connection import Tx, transaction
from db.integrations import IntegrationRow
from db.product_asks import Ask
from db.product_syncs import Row
from integrations import clickbank_products
from integrations.clickbank import ClickBank, ClickBankAway, ClickBankBusy, ClickBankRefused, Json
from integrations.clickbank_products import AS_AFFILIATE, AS_VENDOR, SKU, VENDOR, Told
from rules.feed_refusals import Refusal
from rules.own_products import own
from rules.refund_rates import rates
from schemas.integrations import read as read_settings
from workers.clickbank_turns import KEPT_FOR_ORDERS, BudgetSpent, left, turns
from workers.maintenance.reconciling import accounts
from workers.products.feed import Progress, Refused, Said
from workers.products.keeping import Keeping
from workers.products.tally import Tally
from workers.stopping import wait

DAYS = 90  # of sales; in so many a refund may come, and a seller changes
LIST = "products"
QUESTIONS = (
    f"{AS_AFFILIATE}/{VENDOR}", LIST, f"{AS_VENDOR}/{VENDOR}", f"{AS_VENDOR}/{SKU}",
)  # fmt: skip
AMPLE = 500  # requests left: enough for all pages of what any account sells
_BEHIND = timedelta(hours=8)  # its days are the Pacific coast's: none that has not begun there
_MOST_LIVE = 200  # products of campaigns that are asked for one by one
_MOST_PAGES = 500
_MOST_AWAY = 3  # accounts that got no answer: the others would get none
_MOST_BUSY = 3  # accounts whose limits were exceeded: then it is this address that asks too often
_LIMIT_SECONDS = 60.0
_NO_KEY = Refusal(
    "no_key",
    "No ClickBank integration has an API key: name one with"
    " `hopfleet integrations rotate INTEGRATION --keep-key --api-key -`.",
)


_BUSY = "ClickBank says of one account after the other that limits are exceeded."


class _Gone(Exception):
    """The integration was deleted meanwhile."""


def sync(row: Row, keeping: Keeping, said: Said) -> None:
    """Ask all accounts; raises `Refused`, `Transient`, `LeaseLost`, `Stopped`."""
    with transaction(limit_seconds=_LIMIT_SECONDS) as tx:
        found = accounts(tx)
        live = product_asks.with_live(tx)
    if not found:
        raise Refused(_NO_KEY)
    found.sort(key=lambda one: (one[0].user_id not in live, one[0].id))
    tally = Tally(row, keeping)
    away: list[ClickBankAway] = []
    refused: list[ClickBankRefused] = []
    busy = 0
    for at, (account, key) in enumerate(found):
        if len(away) >= _MOST_AWAY:
            break
        if busy >= _MOST_BUSY:
            tally.leave((len(found) - at) * len(QUESTIONS), _BUSY)
            break
        try:
            _Account(account, key, keeping, said, tally).ask()
        except ClickBankBusy:
            busy += 1
        except _Gone:
            continue
        except ClickBankAway as error:
            away.append(error)
        except ClickBankRefused as error:
            refused.append(error)
            log().warning("products.api_refused", integration=account.id, reason=error.reason)
    if away:
        raise away[0]
    if len(refused) == len(found) and not tally.has_seen:
        raise Refused(Refusal("no_access", str(refused[0])))
    about = f"{len(refused)} of {len(found)} accounts: {refused[0]}" if refused else None
    tally.end(about)


class _Account:
    """One integration's account, while it is asked."""

    def __init__(
        self, row: IntegrationRow, key: str, keeping: Keeping, said: Said, tally: Tally
    ) -> None:
        self.row, self.key = row, key
        self.keeping, self.said, self.tally = keeping, said, tally
        today = (now() - _BEHIND).date()
        self.days: tuple[date, date] = (today - timedelta(days=DAYS), today)
        self._answered = 0
        self._refused: ClickBankRefused | None = None

    def ask(self) -> None:
        """All that is still to be asked; what limits leave over is counted."""
        turn = turns(self.key, self._wait, kept=KEPT_FOR_ORDERS)
        with ClickBank(self.key, settings().clickbank_api_url, self._wait, turn=turn) as client:
            waiting: list[Ask] = []
            try:
                waiting = self._waiting(client)
                self._live_first(client, waiting)
                while waiting:
                    self._question(client, waiting[0])
                    waiting.pop(0)
            except BudgetSpent as error:
                log().warning("products.api_limited", integration=self.row.id, left=len(waiting))
                self.tally.leave(max(1, len(waiting)), str(error))
            except (ClickBankBusy, ClickBankRefused) as error:
                self.tally.leave(max(1, len(waiting)), str(error))
                raise
        if self._refused is not None and not self._answered:
            raise self._refused

    def _wait(self, seconds: float) -> None:
        wait(seconds)
        self.keeping.rest()  # whoever is to stop asks no more

    def _waiting(self, client: ClickBank) -> list[Ask]:
        chosen = read_settings(self.row.settings).nickname
        names = [chosen.strip().lower()] if chosen else clickbank_products.nicknames(client)
        with transaction(limit_seconds=_LIMIT_SECONDS) as tx:
            put = [
                product_asks.put(tx, self.tally.sync_id, self.row.id, name, QUESTIONS)
                for name in names
            ]
        # What campaigns need first, of all names, then the rest.
        asks = [one for some in put for one in some]
        return sorted(asks, key=lambda one: QUESTIONS.index(one.question))

    def _live_first(self, client: ClickBank, waiting: list[Ask]) -> None:
        """Where the day's requests may not last for whole lists, campaigns' products come first."""
        sold = [one for one in waiting if one.question == QUESTIONS[0]]
        if not sold or left(self.key, kept=KEPT_FOR_ORDERS) >= AMPLE:
            return
        with transaction(limit_seconds=_LIMIT_SECONDS) as tx:
            live = product_asks.live(tx, self.row.user_id, _MOST_LIVE)
        for name, written in live:
            for one in sold:
                # Names are compared with their case, and nobody documents which is theirs.
                for asked in (written,) if written else (name, name.upper()):
                    self._rest()
                    told = clickbank_products.sold(
                        client, AS_AFFILIATE, VENDOR, one.account, self.days, 1, asked
                    )
                    with self._page(one) as tx:
                        self._keep(tx, one, told)
                    if told.sold:
                        break

    def _rest(self) -> None:
        self.keeping.rest()
        self.said(Progress("ask", self.tally.asked, None))
        self.tally.asked += 1

    def _question(self, client: ClickBank, ask: Ask) -> None:
        """One question, to its end; a right that the key has not got ends it, too."""
        listed: list[Json] = []
        try:
            for page, told in self._pages(client, ask):
                listed += told.products
                with self._page(ask) as tx:
                    self._keep(tx, ask, told)
                    if not told.more:
                        self._keep_own(tx, ask, listed)
                        product_asks.end(tx, ask)
                    elif ask.question != LIST:  # its row needs all pages: it begins anew
                        product_asks.go_on(tx, ask, page + 1)
            self._answered += 1
        except ClickBankRefused as error:
            if error.reason == "key":
                raise
            self._refused = error
            with self._page(ask) as tx:
                product_asks.end(tx, ask, error.reason)

    @contextmanager
    def _page(self, ask: Ask) -> Iterator[Tx]:
        """A page's own transaction, with what is counted until then."""
        with transaction(limit_seconds=_LIMIT_SECONDS) as tx:
            if not product_asks.hold(tx, ask):
                raise _Gone
            yield tx
            self.tally.note(tx)

    def _pages(self, client: ClickBank, ask: Ask) -> Iterator[tuple[int, Told]]:
        page, before = ask.page, None
        while before is None or before.more:
            if page - ask.page >= _MOST_PAGES:
                raise ClickBankAway(f"ClickBank's list of {ask.question} has no end.")
            self._rest()
            told = self._ask(client, ask, page)
            if told.more and told == before:
                raise ClickBankAway(f"ClickBank tells the same page of {ask.question} again.")
            yield page, told
            page, before = page + 1, told

    def _ask(self, client: ClickBank, ask: Ask, page: int) -> Told:
        if ask.question == LIST:
            return clickbank_products.listed(client, ask.account, page)
        role, dimension = ask.question.split("/")
        return clickbank_products.sold(client, role, dimension, ask.account, self.days, page)

    def _keep(self, tx: Tx, ask: Ask, told: Told) -> None:
        """A page of what was sold."""
        if ask.question == LIST or not told.sold:
            return
        role, dimension = ask.question.split("/")
        rows = {}
        for one in told.sold:
            name = one.name.lower() if dimension == VENDOR else one.name
            values = {**one.values, "DIMENSION_VALUE": one.name}
            rows[name] = vendor_sales.Sold(name, *rates(values), orjson.dumps(values).decode())
        vendor_sales.keep(tx, ask.integration_id, ask.account, role, dimension, [*rows.values()])
        self.tally.listings += len(rows)
        if dimension == VENDOR:
            rated = vendor_sales.rate(tx, [*rows])
            self.tally.count(len(rows), 0, rated.updated, rated.known - rated.updated)

    def _keep_own(self, tx: Tx, ask: Ask, listed: list[Json]) -> None:
        """All products of a site, as the one row that stands for it."""
        told = own(ask.account, listed) if listed else None
        if told is None:
            return
        became = own_products.put(
            tx, ask.account, told.title, told.description, told.commission_rate, told.rebill,
            orjson.dumps(told.listed).decode(),
        )  # fmt: skip
        self.tally.listings += len(listed)
        self.tally.count(1, became == "inserted", became == "updated", became == "unchanged")
