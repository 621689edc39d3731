"""Garbage collection for processes that make many short-lived objects and few cycles."""

import gc

# The default looks at the youngest objects every 700 allocations: in a transaction of thousands
# of items that is a tenth of a worker's time, for nothing.
_THRESHOLDS = (50_000, 20, 50)


def settle() -> None:
    """Call once, when a process has loaded what it stands on: that is never looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
