"""Triggers: when a workflow runs. The columns `trigger_type` and `trigger_config` hold one."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from base.errors import Misused

KINDS = (
    "click",
    "conversion",
    "refund",
    "rebill",
    "bonus_delivered",
    "content_published",
    "subscription_changed",
    "product_changed",
    "gravity_crossed",
    "commission_changed",
    "product_vanished",
    "product_returned",
    "hook",
)
Kind = Literal[
    "click",
    "conversion",
    "refund",
    "rebill",
    "bonus_delivered",
    "content_published",
    "subscription_changed",
    "product_changed",
    "gravity_crossed",
    "commission_changed",
    "product_vanished",
    "product_returned",
    "hook",
]
# Told to those workflows alone whose trigger asks for the product; no run can wait for them.
ASKED_FOR = ("gravity_crossed", "commission_changed", "product_vanished", "product_returned")
WAITED_FOR = tuple(kind for kind in KINDS if kind not in ASKED_FOR)
_MOST_SECONDS = 10 * 366 * 86400
_DAY = 86400


class Fault(BaseModel):
    """What is wrong with one field; `line` where the text it came from has lines."""

    field: str
    message: str
    line: int | None = None

    def __str__(self) -> str:
        where = f"{self.field} (line {self.line})" if self.line else self.field
        if not self.field:
            where = f"line {self.line}" if self.line else ""
        return f"{where}: {self.message}" if where else self.message


class Malformed(Misused):
    """A definition that cannot be carried out; every fault names its field."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(str(fault) for fault in faults[:10]))
        self.faults = faults


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(
            f"there is no time zone {name[:50]!r}: it looks like Europe/Berlin"
        ) from None
    return name


def event_word(name: Any) -> Any:
    """Kinds of events are written with an underscore, and people write spaces."""
    return re.sub(r"[ -]", "_", name.lower()) if isinstance(name, str) else name


Zone = Annotated[str, Field(max_length=64), AfterValidator(_zone)]
Event = Annotated[Kind, BeforeValidator(event_word)]
Seconds = Annotated[float, Field(ge=0, le=_MOST_SECONDS, allow_inf_nan=False)]
# Strict, for the database reads them too: there a text is no number.
Gravity = Annotated[float, Field(strict=True, ge=0, le=1_000_000, allow_inf_nan=False)]
ClickBankId = Annotated[str, Field(strict=True, min_length=1, max_length=100)]


class RunSettings(BaseModel):
    """Bounds of a run, and what happens when it fails; the same for every kind of trigger."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pause_after_failures: int = Field(
        10, ge=0, le=1000, description="Failed runs in a row that pause it; 0: none do."
    )
    most_steps: int = Field(1_000, ge=1, le=10_000, description="Steps of one run at most.")
    most_seconds: float = Field(
        30 * _DAY, gt=0, le=366 * _DAY, description="How long one run may take, waits included."
    )
    on_error: list[Any] = Field([], description="Steps that are done when a run fails.")


class _Trigger(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    campaign: str | None = Field(
        None, max_length=50, description="A campaign's id or tracking id; null: all of them."
    )
    settings: RunSettings = RunSettings.model_validate({})


class Manual(_Trigger):
    """It runs when somebody says so."""


class Scheduled(_Trigger):
    """It runs by the clock: one of `cron`, `every_…` and `at`."""

    cron: str | None = Field(None, max_length=255, description="Five fields, or six with seconds.")
    every_seconds: int | None = Field(None, ge=1, le=_MOST_SECONDS)
    every_minutes: int | None = Field(None, ge=1, le=_MOST_SECONDS // 60)
    every_hours: int | None = Field(None, ge=1, le=_MOST_SECONDS // 3600)
    every_days: int | None = Field(None, ge=1, le=_MOST_SECONDS // _DAY)
    at: datetime | None = Field(None, description="One moment; without an offset in `timezone`.")
    timezone: Zone = "UTC"
    start: datetime | None = Field(None, description="Not before this moment.")
    end: datetime | None = Field(None, description="Not after this moment.")
    jitter_seconds: float = Field(0, ge=0, le=_DAY, allow_inf_nan=False)
    catch_up: Literal["skip", "once", "all"] = "once"
    catch_up_limit: int = Field(100, ge=1, le=1000)
    overlap: Literal["skip", "queue", "allow", "cancel_previous"] = "skip"

    @model_validator(mode="after")
    def _one_kind(self) -> "Scheduled":
        names = ("cron", "every_seconds", "every_minutes", "every_hours", "every_days", "at")
        given = [name for name in names if getattr(self, name) is not None]
        if len(given) != 1:
            said = " and ".join(given) or "none"
            raise ValueError(f"give one of {', '.join(names)}; there is {said}")
        start, end = self.start, self.end
        if start is not None and end is not None and self.moment(end) <= self.moment(start):
            raise ValueError("`end` is not after `start`")
        return self

    def moment(self, told: datetime) -> datetime:
        """A time of the definition in UTC: without an offset it is meant in `timezone`."""
        try:
            aware = told if told.tzinfo else told.replace(tzinfo=ZoneInfo(self.timezone))
            return aware.astimezone(UTC)
        except OverflowError:
            raise ValueError(f"{told.isoformat()} is beyond the calendar") from None


class EventTrigger(_Trigger):
    """It runs when something happens, perhaps gathered over time."""

    event: Event
    where: list[Annotated[str, Field(max_length=2000)]] = Field([], max_length=50)
    products: (
        Literal["campaigns", "all"] | Annotated[list[ClickBankId], Field(min_length=1)] | None
    ) = Field(
        None, max_length=1000,
        description="Of products' events: which products. Their ClickBank ids, `all`, or"
        " `campaigns`: those of the owner's campaigns. Null: those of campaigns, too, or the"
        " whole `category`; of product_changed all.",
    )  # fmt: skip
    category: Annotated[str, Field(strict=True, min_length=1, max_length=255)] | None = Field(
        None, description="Of products' events: only of this category, and those below it."
    )
    above: Gravity | None = Field(None, description="Gravity was less, and is that or more.")
    below: Gravity | None = Field(None, description="Gravity was that or more, and is less.")
    debounce_seconds: Seconds | None = Field(
        None, description="It fires when that long nothing more has happened."
    )
    throttle_seconds: Seconds | None = Field(
        None, description="It fires at most once in that time, with all that happened."
    )
    batch: int | None = Field(None, ge=1, le=1_000_000, description="Once per so many events.")
    batch_seconds: Seconds | None = Field(
        None, description="An incomplete batch fires after that time."
    )
    key: str | None = Field(
        None, max_length=255, description="Gather apart by the value of this path."
    )
    overlap: Literal["skip", "queue", "allow", "cancel_previous"] = "allow"

    @model_validator(mode="after")
    def _one_control(self) -> "EventTrigger":
        names = ("debounce_seconds", "throttle_seconds", "batch")
        given = [name for name in names if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"give one of {', '.join(names)}; there is {' and '.join(given)}")
        if self.batch_seconds is not None and self.batch is None:
            raise ValueError("`batch_seconds` is of use only with `batch`")
        return self

    @model_validator(mode="after")
    def _of_products(self) -> "EventTrigger":
        is_crossed = self.event == "gravity_crossed"
        if is_crossed and self.above is None and self.below is None:
            raise ValueError("say `above` or `below` which gravity")
        if not is_crossed and (self.above is not None or self.below is not None):
            raise ValueError("`above` and `below` are of use only with gravity_crossed")
        asks = self.products is not None or self.category is not None
        if asks and self.event != "product_changed" and self.event not in ASKED_FOR:
            raise ValueError("`products` and `category` are of use only with products' events")
        return self

    @property
    def asks_for_products(self) -> bool:
        """Whether it is told of certain products only, each in a fact of its own."""
        return self.event in ASKED_FOR or (
            self.event == "product_changed"
            and (self.products, self.category, self.campaign) != (None, None, None)
        )


Trigger = Manual | Scheduled | EventTrigger
TYPES: dict[str, type[Manual] | type[Scheduled] | type[EventTrigger]] = {
    "manual": Manual,
    "scheduled": Scheduled,
    "event": EventTrigger,
}


def read(trigger_type: Any, config: Any) -> Trigger:
    """A trigger from its two columns; raises `Malformed`, whatever they hold."""
    kind = TYPES.get(trigger_type) if isinstance(trigger_type, str) else None
    if kind is None:
        said = f"{str(trigger_type)[:50]!r} is none of {', '.join(TYPES)}"
        raise Malformed([Fault(field="trigger.type", message=said)])
    if config is None:
        config = {}
    if not isinstance(config, dict):
        raise Malformed([Fault(field="trigger", message="it is not an object")])
    try:
        return kind.model_validate(config)
    except ValidationError as error:
        raise Malformed(faults_of(error, "trigger")) from None


_PLAIN = {"missing": "it is missing", "extra_forbidden": "there is no such field"}


def faults_of(error: ValidationError, root: str) -> list[Fault]:
    """pydantic's errors as faults: the path of the field below `root`, and a sentence."""
    found = []
    for fault in error.errors(include_url=False, include_input=False, include_context=True):
        path = ".".join(str(part) for part in (root, *fault["loc"]) if part != "")
        message = _PLAIN.get(fault["type"]) or fault["msg"].removeprefix("Value error, ")
        found.append(Fault(field=path, message=message))
    return found
