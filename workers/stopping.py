"""Whether this process has been told to stop: then it claims nothing more."""

import threading

_told = threading.Event()


def tell() -> None:
    """Told to stop: from now on `stopping` is true."""
    _told.set()


def stopping() -> bool:
    """Whether to stop claiming."""
    return _told.is_set()


def wait(seconds: float) -> bool:
    """Wait at most `seconds` for the word to stop; returns whether it came."""
    return _told.wait(seconds)
