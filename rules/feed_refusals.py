"""Whether a feed that is whole may replace what the catalogue holds; damage is not judged here."""

from datetime import datetime, timedelta
from typing import NamedTuple

# A feed is rebuilt once a day. Copies of one build have dates that differ by what copying takes.
SAME_BUILD = timedelta(hours=1)
LEAST_SHARE = 0.5  # of the last feed's products; a smaller one rather means that half is missing
VANISHED_AFTER = 3  # feeds in a row without it


class Refusal(NamedTuple):
    """Why a feed was not taken: a word for programs, a sentence for people."""

    reason: str
    sentence: str


def by_date(dated: datetime | None, last: datetime | None) -> Refusal | None:
    """A feed that was made before the last one; without both dates nothing is said."""
    if dated is None or last is None or dated > last - SAME_BUILD:
        return None
    return Refusal(
        "older",
        f"The feed of {dated:%Y-%m-%d %H:%M} is older than that of {last:%Y-%m-%d %H:%M} UTC,"
        " which is in the catalogue; --force takes it all the same.",
    )


def by_size(products: int, last: int | None) -> Refusal | None:
    """A feed with no product, or with far fewer than the last one."""
    if products == 0:
        return Refusal("empty", "The feed lists no product at all.")
    if last is None or products >= last * LEAST_SHARE:
        return None
    return Refusal(
        "smaller",
        f"The feed has {products:,} products, under half of the {last:,} of the last one;"
        " --force takes it all the same.",
    )


UNCHANGED = Refusal(
    "not_newer", "The feed has not changed since it was last taken; --force fetches it again."
)
