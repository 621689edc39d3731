"""What a campaign's and an account's status mean at the doors."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

CANCELED_GRACE_DAYS = 30


@dataclass(frozen=True, slots=True)
class Decision:
    """What a door does with a request for a tracking id.

    `target` is where a redirect goes: `link` is the campaign's affiliate link; `fallback` is the
    first there is of the campaign's own fallback (only when `record`), the account's, the
    installation's, else 404. `campaign_status` goes into the event's metadata. `reason` says why
    nothing is recorded, or why not the link.
    """

    record: bool
    target: Literal["link", "fallback"]
    campaign_status: str | None = None
    reason: str | None = None


UNKNOWN = Decision(False, "fallback", None, "unknown")
DRAFT = Decision(False, "fallback", None, "draft")
DELETED = Decision(False, "fallback", None, "deleted")
CANCELED = Decision(False, "fallback", None, "account_canceled")


@lru_cache(1024)
def decide(
    campaign_status: str | None,
    user_status: str,
    *,
    has_link: bool,
    has_fallback: bool,
    grace_over: bool = False,
) -> Decision:
    """The decision for a campaign's status (None: no such link) and its owner's.

    `has_link`: the affiliate link is an acceptable destination. `has_fallback`:
    `settings.fallback_url` is one. `grace_over`: the account was canceled 30 days ago or earlier.
    Suspended and trial accounts keep their links: visitors are not their debtors. A status we do
    not know (other applications write the table) is stored like `paused`, never lost.
    """
    if campaign_status is None:
        return UNKNOWN
    if user_status == "canceled" and grace_over:
        return CANCELED
    if campaign_status == "draft":
        return DRAFT
    if campaign_status == "deleted":
        return DELETED
    if campaign_status == "active":
        if has_link:
            return Decision(True, "link")
        return Decision(True, "fallback", None, "no_destination")
    status = campaign_status[:50]
    if has_fallback or not has_link:
        return Decision(True, "fallback", status, None if has_fallback else "no_destination")
    return Decision(True, "link", status)


def grace_over(user_status: str, canceled_days: float | None) -> bool:
    """Whether a canceled account has had its 30 days; not while nobody knows since when."""
    return (
        user_status == "canceled"
        and canceled_days is not None
        and canceled_days >= CANCELED_GRACE_DAYS
    )


def may_post_events(user_status: str) -> bool:
    """Whether `/v1/events` accepts items of an account; 403 otherwise."""
    return user_status not in ("suspended", "canceled")
