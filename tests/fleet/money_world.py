"""A world of sales, each told by one or more roads, and what must be in the books at the end."""

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
# Most trusted first: what INS says of an amount counts, a pixel's word only when it is alone.
ROADS = ("ins", "postback", "api", "pixel")
_CLICKS = 40  # of each campaign, beside one for each sale without a receipt

# Receipt, or the click of a sale that has none; event type; signed dollars; campaign.
Event = tuple[str, str, Decimal, str]


@dataclass(frozen=True)
class Telling:
    """One message to one door. `click` numbers a click of the campaign, None names none."""

    road: str
    kind: str  # conversion, rebill, refund
    campaign: str
    receipt: str
    amount: Decimal
    click: int | None = None
    number: str = ""
    parent: str = ""
    email: str = ""
    second: int = 0  # of the world's time at which it happened
    is_chargeback: bool = False


@dataclass
class Truth:
    """What must be there; `may` are deliveries that a refund may have come before."""

    events: Counter[Event] = field(default_factory=Counter)
    must: set[str] = field(default_factory=set)  # receipts whose buyers get their bonus
    may: set[str] = field(default_factory=set)

    def revenue(self) -> dict[str, Decimal]:
        """Dollars by campaign."""
        found: dict[str, Decimal] = {}
        for (_, _, dollars, campaign), times in self.events.items():
            found[campaign] = found.get(campaign, Decimal(0)) + dollars * times
        return found


@dataclass
class World:
    """All messages, in no order, some of them more than once."""

    tellings: list[Telling]
    truth: Truth
    clicks: dict[str, int]  # how many clicks each campaign needs


def world(
    campaigns: Mapping[str, bool], messages: int, *, repeats: float = 0.2, seed: int = 1
) -> World:
    """At least so many messages over campaigns that are named here by their tracking ids.

    The value says whether INS tells the buyer's address there, as it does to vendors alone.
    """
    dice = random.Random(seed)
    ids = list(campaigns)
    truth = Truth()
    tellings: list[Telling] = []
    clicks = dict.fromkeys(ids, _CLICKS)
    while len(tellings) < messages * (1 - repeats):
        campaign = dice.choice(ids)
        if dice.random() < 0.03:
            clicks[campaign] += 1
            tellings += _nameless(dice, campaign, clicks[campaign] - 1, truth)
        else:
            tellings += _sale(dice, campaign, campaigns[campaign], truth)
    tellings += dice.choices(tellings, k=int(len(tellings) * repeats / (1 - repeats)))
    dice.shuffle(tellings)
    return World(tellings, truth, clicks)


def _nameless(dice: random.Random, campaign: str, click: int, truth: Truth) -> list[Telling]:
    """A sale without a receipt: its click stands for it."""
    amount = _dollars(dice)
    truth.events[f"click {click} of {campaign}", "conversion", amount, campaign] += 1
    return [Telling("api", "conversion", campaign, "", amount, click)]


def _sale(dice: random.Random, campaign: str, is_vendor: bool, truth: Truth) -> list[Telling]:
    """A sale and all that follows it; its rebills and refunds come by its most trusted road."""
    roads = _roads(dice)
    main = roads[0]
    receipt, click, second = _receipt(dice), dice.randrange(_CLICKS), dice.randrange(600)
    telling = {
        road for road in roads if road in ("postback", "api") or (road, is_vendor) == ("ins", True)
    }
    email = f"{receipt.lower()}@example.com" if telling and dice.random() < 0.3 else ""
    amounts = {road: _dollars(dice) for road in roads} if dice.random() < 0.3 else {}
    amount = amounts.setdefault(main, _dollars(dice))
    tellings = [
        Telling(road, "conversion", campaign, receipt, amounts.get(road, amount), click,
                email=email if road in telling else "", second=second)
        for road in roads
    ]  # fmt: skip
    truth.events[receipt, "conversion", amount, campaign] += 1
    if main == "pixel":
        return tellings
    refunds = _refunds(dice, tellings[0], truth)
    if email:
        (truth.may if refunds else truth.must).add(receipt)
    return (
        tellings + refunds + _rebills(dice, tellings[0], truth) + _upsell(dice, tellings[0], truth)
    )


def _roads(dice: random.Random) -> list[str]:
    chance = dice.random()
    if chance < 0.15:
        return list(ROADS)
    return [ROADS[0 if chance < 0.7 else 1 if chance < 0.85 else 2 if chance < 0.95 else 3]]


def _refunds(dice: random.Random, sale: Telling, truth: Truth) -> list[Telling]:
    """None, the whole amount, or two parts of it; half of them without naming the click."""
    chance = dice.random()
    if chance > 0.15 or sale.amount < 1:
        return []
    part = (sale.amount / 3).quantize(Decimal("0.01"))
    parts = [sale.amount] if chance < 0.1 else [part, part + Decimal("0.01")]
    for each in parts:
        truth.events[sale.receipt, "refund", -each, sale.campaign] += 1
    return [
        replace(sale, kind="refund", amount=each, number=f"R{at}", email="",
                second=sale.second + 60 + at, is_chargeback=chance < 0.02,
                click=sale.click if dice.random() < 0.5 else None)
        for at, each in enumerate(parts)
    ]  # fmt: skip


def _rebills(dice: random.Random, sale: Telling, truth: Truth) -> list[Telling]:
    told = []
    for payment in range(2, dice.choice((2, 2, 2, 2, 2, 3, 4))):
        receipt = f"{sale.receipt}-B{payment:03}" if sale.road == "ins" else sale.receipt
        amount = _dollars(dice)
        truth.events[receipt, "rebill", amount, sale.campaign] += 1
        told.append(
            replace(sale, kind="rebill", receipt=receipt, amount=amount, email="",
                    number=f"B{payment}", second=sale.second + payment,
                    click=sale.click if dice.random() < 0.5 else None)
        )  # fmt: skip
    return told


def _upsell(dice: random.Random, sale: Telling, truth: Truth) -> list[Telling]:
    """Another sale to the same buyer, found by the first one's receipt alone."""
    if sale.road != "ins" or dice.random() > 0.1:
        return []
    amount, receipt = _dollars(dice), _receipt(dice)
    truth.events[receipt, "conversion", amount, sale.campaign] += 1
    return [
        replace(sale, receipt=receipt, amount=amount, parent=sale.receipt, email="", click=None)
    ]


def _receipt(dice: random.Random) -> str:
    return "".join(dice.choices(_LETTERS, k=8))


def _dollars(dice: random.Random) -> Decimal:
    return Decimal(dice.randrange(100, 30_000)) / 100
