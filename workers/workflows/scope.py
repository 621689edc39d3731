"""Scope: the values a run's conditions and templates see, loaded when they are asked for."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from db.run_work import Run
from schemas.workflow_events import seen

Values = dict[str, Any]

HIDDEN = "***"


class Scope:
    """The names of one run: what fired it, what its steps gave, its campaign, user and secrets.

    Statistics and secrets are read on first use: most runs ask for neither.
    """

    def __init__(
        self,
        run: Run,
        now: datetime,
        user: Values,
        campaign: Values | None,
        stats: Callable[[], Values],
        secrets: Callable[[], dict[str, str]],
    ) -> None:
        self.run = run
        self.now = now
        self.user = user
        self.campaign = campaign
        self.steps: Values = {}
        self.locals: Values = {}
        self._load_stats = stats
        self._load_secrets = secrets
        self._stats: Values | None = None
        self._secrets: dict[str, str] | None = None

    def values(self, names: frozenset[str] = frozenset()) -> Values:
        """All names; of `names` that are paths, those that must be loaded first are."""
        given = self.run.input if isinstance(self.run.input, dict) else {}
        found: Values = {
            "event": given.get("event"),
            "events": given.get("events", []),
            "trigger": {
                "type": self.run.trigger, "due_at": self.run.due_at,
                "number": given.get("number", 1),
            },
            "input": given.get("input", {}),
            "campaign": self.campaign,
            "user": self.user,
            "steps": self.steps,
            "run": {"id": str(self.run.id), "due_at": self.run.due_at, "depth": self.run.depth},
            "now": self.now,
            **self.locals,
        }  # fmt: skip
        tops = {name.partition(".")[0] for name in names}
        if "stats" in tops:
            found["stats"] = self.stats()
        if "secrets" in tops:
            found["secrets"] = self.secrets()
        return found

    def compared(self, names: frozenset[str]) -> Values:
        """The same as conditions compare them: amounts of events are numbers."""
        found = self.values(names)
        if isinstance(found["event"], dict):
            found["event"] = seen(found["event"])
        if "events" in {name.partition(".")[0] for name in names}:
            found["events"] = [seen(one) if isinstance(one, dict) else one
                               for one in found["events"]]  # fmt: skip
        return found

    def stats(self) -> Values:
        """The campaign's statistics, those of this turn."""
        if self._stats is None:
            self._stats = self._load_stats() if self.campaign is not None else {}
        return self._stats

    def secrets(self) -> dict[str, str]:
        """The user's secrets, opened."""
        if self._secrets is None:
            self._secrets = self._load_secrets()
        return self._secrets

    def hidden(self, values: Mapping[str, Any]) -> Values:
        """The same names with every secret hidden: what may be kept and shown."""
        if "secrets" not in values:
            return dict(values)
        return {**values, "secrets": dict.fromkeys(values["secrets"], HIDDEN)}
