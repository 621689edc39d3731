"""The orders of one transaction: read before they are locked, learned about, written back."""

from collections import defaultdict

from db import campaigns, events, orders, owners, receipts
from db.connection import Tx
from db.orders import Key, OrderRow
from rules.attribution import BY_CAMPAIGN, BY_CLICK, BY_RECEIPT, NOTHING, Click, Match, attribute
from rules.payments import Payment, payments
from schemas.receipts import Fact
from workers.cases import Case
from workers.outcome import Ended


class Book:
    """What is known of the orders, clicks and campaigns that some payments may concern."""

    def __init__(self, tx: Tx, cases: list[Case]) -> None:
        self._tx = tx
        self._orders = orders.find(tx, _keys(cases))
        ids = {one for case in cases for one in case.candidates}
        ids |= {order.click_id for order in self._orders.values() if order.click_id}
        self._clicks = {key: Click(*row) for key, row in events.find_clicks(tx, ids).items()}
        self._windows = campaigns.attribution_days(
            tx, {click.campaign_id for click in self._clicks.values() if click.campaign_id}
        )
        self._campaigns: set[str] = set()  # ours until we commit
        self._facts: dict[int, list[Fact]] = defaultdict(list)
        self._payments: dict[int, dict[str, Payment]] = {}
        self._changed: set[Key] = set()
        self._attributed: set[Key] = set()  # those that had no campaign, or no click, before

    # --- before the locks

    def knows_nothing_of(self, case: Case) -> bool:
        """Whether it names a click that nobody has seen, and nothing else tells its campaign."""
        return (
            bool(case.candidates)
            and case.campaign is None
            and all(one not in self._clicks for one in case.candidates)
            and self._chain(case).campaign_id is None
        )

    def own(self, cases: list[Case], ended: Ended) -> list[Case]:
        """Lock users and campaigns; without those whose owner is gone, or locked by somebody."""
        users = {case.user for case in cases}
        told = {case.campaign for case in cases if case.campaign}
        wanted = {one for case in cases for one in self._needed(case)}
        ours, self._campaigns = owners.lock(self._tx, users, wanted)
        if ours == users and self._campaigns == wanted:
            return cases
        all_users, all_campaigns = owners.existing(self._tx, users, wanted)
        self._forget(wanted - all_campaigns)
        owned = []
        for case in cases:
            if case.user not in all_users or case.campaign in told - all_campaigns:
                ended.gone.append(case.found)
            elif case.user not in ours or not self._needed(case) <= self._campaigns:
                ended.deferred.append((case.found, "owner_locked"))
            else:
                owned.append(case)
        return owned

    def _needed(self, case: Case) -> set[str]:
        """The campaigns it may turn out to be of."""
        told = {click.campaign_id for click in self._mine(case).values()}
        told |= {case.campaign, self._chain(case).campaign_id}
        return {one for one in told if one}

    def _mine(self, case: Case) -> dict[str, Click]:
        """Those of its candidates that are clicks of its own account."""
        return {
            one: self._clicks[one]
            for one in case.candidates
            if one in self._clicks and self._clicks[one].user_id == case.user
        }

    def _chain(self, case: Case) -> Match:
        """What earlier payments of its receipt follow, or the sale it is an upsell to."""
        own = self._orders.get(case.key)
        if own is not None and own.campaign_id is not None:
            return Match(own.click_id, own.campaign_id, own.source, own.matched_by)
        first = self._orders.get(case.parent or _parent(own))
        if first is not None and first.campaign_id is not None:
            return Match(first.click_id, first.campaign_id, first.source, BY_RECEIPT)
        return NOTHING

    def _forget(self, gone: set[str]) -> None:
        """Campaigns that were deleted: their money is still their user's."""
        for click_id in [one.id for one in self._clicks.values() if one.campaign_id in gone]:
            del self._clicks[click_id]
        for key, order in self._orders.items():
            if order.campaign_id in gone:
                self._orders[key] = order._replace(campaign_id=None, click_id=None)

    # --- behind the locks

    def open(self, cases: list[Case]) -> None:
        """Lock the orders and read what was told of them."""
        for key, order in orders.lock(self._tx, _keys(cases)).items():
            self._orders[key] = self._held(order)
            self._payments[order.id] = {}
        self._facts |= receipts.of_orders(self._tx, self._payments)
        for order_id in self._payments:
            self._payments[order_id] = payments(self._facts[order_id])

    def _held(self, order: OrderRow) -> OrderRow:
        """The order, with a campaign that stays there until we commit, or with none."""
        found = order.campaign_id
        if found is None or found in self._campaigns:
            return order
        held = owners.lock(self._tx, [], [found])[1]  # found by somebody else a moment ago
        self._campaigns |= held
        return order if held else order._replace(campaign_id=None, click_id=None)

    def match(self, case: Case) -> Match:
        """The click and campaign that a report follows."""
        return attribute(
            case.candidates, self._mine(case), case.campaign, self._chain(case), case.at,
            self._windows,
        )  # fmt: skip

    def click(self, click_id: str | None) -> Click | None:
        """A click, when it is stored still."""
        return self._clicks.get(click_id or "")

    def order(self, case: Case) -> OrderRow:
        """The order a report belongs to, as it is known by now."""
        return self._orders[case.key]

    def payments(self, order: OrderRow) -> dict[str, Payment]:
        """The payments of an order by their event's id."""
        return self._payments[order.id]

    def facts(self, order: OrderRow) -> list[Fact]:
        """What was told of an order."""
        return self._facts[order.id]

    def learn(self, case: Case, fact: Fact) -> Payment:
        """One more fact: what it says of its payment, and of the order's campaign."""
        known = self._payments[fact.order_id]
        payment = known.setdefault(fact.event_id, Payment(fact.event_id, fact.receipt, fact.type))
        payment.learn(fact)
        self._facts[fact.order_id].append(fact)
        self._relate(case)
        return payment

    def _relate(self, case: Case) -> None:
        order, match = self._orders[case.key], case.match
        new = order
        if case.parent and not order.parent:
            new = new._replace(parent=case.parent[1])
        if order.campaign_id is None and match.campaign_id is not None:
            new = new._replace(
                click_id=match.click_id, campaign_id=match.campaign_id, matched_by=match.by,
                source=case.item.get("source") or match.source,
            )  # fmt: skip
            self._attributed.add(case.key)
        elif order.matched_by == BY_CAMPAIGN and match.by == BY_CLICK:
            new = new._replace(
                click_id=match.click_id, matched_by=BY_CLICK, source=order.source or match.source
            )
            self._attributed.add(case.key)
        if new != order:
            self._orders[case.key] = new
            self._changed.add(case.key)

    # --- out

    def close(self) -> list[OrderRow]:
        """Write the orders; returns those whose campaign was unknown until now."""
        found = [self._orders[key] for key in sorted(self._attributed)]
        found += self._upsells()
        orders.write(self._tx, [self._orders[key] for key in self._changed])
        return found

    def _upsells(self) -> list[OrderRow]:
        """Upsells without a campaign, whose first sale has one now, follow it."""
        if not self._attributed:
            return []
        upsells = {(one.user_id, one.receipt): one
                   for one in orders.lock_upsells(self._tx, self._attributed)}  # fmt: skip
        for key, order in self._orders.items():
            if order.campaign_id is None and _parent(order) in self._attributed:
                upsells[key] = order
            else:
                upsells.pop(key, None)
        unread = [one.id for one in upsells.values() if one.id not in self._payments]
        self._facts |= receipts.of_orders(self._tx, unread)
        for key, order in upsells.items():
            first = self._orders[order.user_id, order.parent or ""]
            self._orders[key] = upsells[key] = order._replace(
                click_id=first.click_id, campaign_id=first.campaign_id, source=first.source,
                matched_by=BY_RECEIPT,
            )  # fmt: skip
            self._payments[order.id] = payments(self._facts[order.id])
        self._changed |= upsells.keys()
        return list(upsells.values())


def _keys(cases: list[Case]) -> set[Key]:
    return {key for case in cases for key in (case.key, case.parent) if key}


def _parent(order: OrderRow | None) -> Key:
    return (order.user_id, order.parent or "") if order else ("", "")
