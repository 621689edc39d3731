"""The family of errors, drawn before the code.

HopfleetError
├── Transient            again later: the world was not ready
│   ├── StoreAway        PostgreSQL or Redis did not answer
│   └── JournalRefused   the journal answered, but is not one we may trust
├── Permanent            never by itself: stop, keep it visible
│   └── Refused          the caller's input breaks a rule; the text is for the caller
└── Misused              a person asked for something that cannot be; exit code 2
"""


class HopfleetError(Exception):
    """Anything Hopfleet raises on purpose; the text is one sentence for a person."""


class Transient(HopfleetError):
    """The same call may succeed later; nothing was lost and nothing was counted."""


class StoreAway(Transient):
    """PostgreSQL or Redis did not answer in time, or closed the connection."""


class JournalRefused(Transient):
    """The journal's server is volatile, read-only or a replica, so it may not hold events."""


class Permanent(HopfleetError):
    """The same call will never succeed; the work is buried where people can see it."""


class Refused(Permanent):
    """Input that breaks a rule; the text says which, and is safe to show to the sender."""


class Misused(HopfleetError):
    """A command was given something that does not fit; the text says what to do instead."""
