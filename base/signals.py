"""The word to stop, for processes whose work is in threads."""

import signal

ENDING = (signal.SIGTERM, signal.SIGINT)


def hold() -> None:
    """Keep the word to stop until `wait`; call before any thread is started, they inherit it.

    No handler: one that runs between two instructions of a lock's owner could wait for itself.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)


def wait() -> None:
    """Return when told to stop; the next such word ends the process at once."""
    signal.sigwait(ENDING)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
