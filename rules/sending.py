"""How often a mail is tried: soon at first, since most trouble is over soon, then each hour."""

FIRST_SECONDS = 5.0
MOST_SECONDS = 3600.0
_FACTOR = 3.0
MOST_TRIES = 78  # some three days, as mail servers do
MOST_UNKNOWN = 2  # how often nobody may know what became of a mail


def delay(tries: int) -> float | None:
    """Seconds until the next try after so many: 5, 15, 45, 135, …, 3600; None when it is over."""
    if tries >= MOST_TRIES:
        return None
    return min(FIRST_SECONDS * _FACTOR ** min(tries - 1, 20), MOST_SECONDS)
