"""Whether something that should move again and again has stopped."""

from base.clock import steady


def silent(beat: float, most_seconds: float) -> str | None:
    """Why what last moved at `beat` (steady time) is taken for dead; None while it is not."""
    seconds = steady() - beat
    return f"it has not moved for {seconds:.0f} s" if seconds > most_seconds else None
