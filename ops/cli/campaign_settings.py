"""`--setting` and its shorter forms: what goes into `campaigns.settings`, checked."""

from collections.abc import Sequence
from typing import Any

import orjson
from pydantic import ValidationError

from base.errors import Misused
from ops.cli import places
from schemas.campaigns import REFERRER_POLICIES, CampaignSettings

_OURS = CampaignSettings.model_fields


def chosen(
    settings: Sequence[str],
    pass_through: bool | None,
    fallback_url: str | None,
    referrer_policy: str | None,
    attribution_days: int | None,
) -> dict[str, Any]:
    """What was asked for, by name; the value None removes a setting. Raises `Misused`."""
    found = dict(_pair(one) for one in settings)
    if pass_through is not None:
        found["pass_through"] = pass_through
    if fallback_url is not None:
        found["fallback_url"] = fallback_url or None
    if referrer_policy is not None:
        found["referrer_policy"] = referrer_policy or None
    if attribution_days is not None:
        found["attribution_days"] = attribution_days or None
    _check({name: value for name, value in found.items() if value is not None})
    return found


def merged(before: Any, changes: dict[str, Any]) -> dict[str, Any]:
    """The settings with the changes; keys of other applications stay as they are."""
    together = {**(before if isinstance(before, dict) else {}), **changes}
    return {name: value for name, value in together.items() if value is not None}


def _pair(given: str) -> tuple[str, Any]:
    name, separator, typed = given.partition("=")
    if not separator or not name.strip():
        raise Misused(f"--setting {given!r} is no name=value.")
    return name.strip(), _value(typed)


def _value(typed: str) -> Any:
    """`true`, `12`, `null` and `{…}` are JSON, anything else is text."""
    if "\0" in typed or not typed.isprintable():
        raise Misused("--setting holds control characters or bytes that are no text.")
    if typed == "":
        return None
    try:
        return orjson.loads(typed)
    except orjson.JSONDecodeError:
        return typed


def _check(found: dict[str, Any]) -> None:
    if isinstance(url := found.get("fallback_url"), str):
        places.check_destination(url, "The fallback URL")
    try:
        CampaignSettings.model_validate({n: v for n, v in found.items() if n in _OURS})
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        name = str(fault["loc"][0])
        if name == "referrer_policy":
            raise Misused(f"{name} is one of {', '.join(sorted(REFERRER_POLICIES))}.") from None
        raise Misused(f"The setting {name} does not fit: {fault['msg']}.") from None
