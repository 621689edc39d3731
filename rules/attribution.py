"""Attribution: which click and campaign a payment follows, and what speaks against it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

BY_CLICK, BY_CAMPAIGN, BY_RECEIPT, BY_NOTHING = "click_id", "campaign", "receipt", "none"


@dataclass(frozen=True, slots=True)
class Click:
    """A click as it is stored; ids as text."""

    id: str
    user_id: str
    campaign_id: str | None
    source: str | None
    at: datetime
    about: dict[str, object] = field(default_factory=dict)  # what its sales inherit


@dataclass(frozen=True, slots=True)
class Match:
    """What a payment follows; `flags` say what is odd about it."""

    click_id: str | None
    campaign_id: str | None
    source: str | None
    by: str
    flags: tuple[str, ...] = ()


NOTHING = Match(None, None, None, BY_NOTHING)


def normal(text: str) -> str:
    """A click id as networks give it back: they change case and put dashes in."""
    return text.replace("-", "").lower()


def attribute(
    candidates: Iterable[str],
    clicks: Mapping[str, Click],
    campaign_id: str | None,
    chain: Match,
    at: datetime,
    windows: Mapping[str, int],
) -> Match:
    """By the click it names, else by the campaign it was reported for, else by its receipts.

    `candidates` are ids that may be the click, `clicks` those of them that the owner has;
    `chain` is what earlier payments of the receipt, or the sale before an upsell, follow.
    `windows` are days after a click during which its campaign is credited. Ids that contradict
    one another are flagged and none is taken.
    """
    known = {one: clicks[one] for one in candidates if one in clicks}
    if len(known) > 1:
        return _without_click(campaign_id, chain, ("conflict",))
    if not known:
        return _without_click(campaign_id, chain, ())
    click = next(iter(known.values()))
    if click.campaign_id is None:
        return _without_click(campaign_id, chain, ())
    if campaign_id is not None and campaign_id != click.campaign_id:
        return _without_click(campaign_id, chain, ("conflict",))
    days = windows.get(click.campaign_id)
    if days is not None and at - click.at > timedelta(days=days):
        return _without_click(campaign_id, chain, ("outside_window",))
    if _contradicts(chain, click):
        return Match(chain.click_id, chain.campaign_id, chain.source, BY_RECEIPT, ("conflict",))
    return Match(click.id, click.campaign_id, click.source, BY_CLICK)


def _contradicts(chain: Match, click: Click) -> bool:
    """Whether earlier payments of the same receipt followed another click, or campaign."""
    if chain.campaign_id is None or chain.by == BY_RECEIPT:
        return False
    return chain.campaign_id != click.campaign_id or chain.click_id not in (None, click.id)


def _without_click(campaign_id: str | None, chain: Match, flags: tuple[str, ...]) -> Match:
    if chain.campaign_id is not None and campaign_id in (None, chain.campaign_id):
        return Match(chain.click_id, chain.campaign_id, chain.source, BY_RECEIPT, flags)
    if campaign_id is not None:
        odd = flags or (("conflict",) if chain.campaign_id is not None else ())
        return Match(None, campaign_id, None, BY_CAMPAIGN, odd)
    return Match(None, None, None, BY_NOTHING, flags)
