"""Trials: who is on one hears three days before it ends, once for each end it is given."""

from datetime import UTC

from base.logs import log
from db import trials
from db.connection import transaction
from db.trials import Ending
from workers.notices import tell

DAYS = 3
KIND = "trial_ending"
CHUNK = 200
_WAIT_SECONDS = 2.0
_LIMIT_SECONDS = 30.0

_TEXT = """Your trial ends on {when}.

Without a subscription the account is suspended then: your links go on redirecting and every \
click and sale is still stored, but the API takes no more events from you, workflows are skipped, \
and mails and posts wait.

Subscribe before that, and nothing changes. Subscribe later, and what waited goes on.
"""


def tell_ending() -> int:
    """Owe a mail to each whose trial ends soon, or was set to; returns how many."""
    told = 0
    while True:
        with transaction(wait_seconds=_WAIT_SECONDS, limit_seconds=_LIMIT_SECONDS) as tx:
            found = trials.ending(tx, KIND, DAYS, CHUNK)
            for one in found:
                when = _when(one)
                subject = f"Your trial ends on {when}"
                told += tell(tx, one.user_id, KIND, one.ref, subject, _TEXT.format(when=when))
        if len(found) < CHUNK:
            break
    if told:
        log().info("trials.told", users=told)
    return told


def _when(one: Ending) -> str:
    at = one.ends_at.astimezone(UTC)
    return f"{at.day} {at:%B %Y} at {at:%H:%M} UTC"
