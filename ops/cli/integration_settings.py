"""What `integrations add` and `set` are told of a network's reports, checked; and its secrets."""

import sys
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from pydantic import ValidationError

from base.errors import Misused
from base.sealing import Unsealable, seal, unseal
from base.settings import settings
from schemas.integrations import IntegrationSettings

MOST_SECRET_CHARACTERS = 255
_JSON = ("params", "statuses", "hmac", "allowed_networks", "legacy")  # the others are text

Template = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Own template: a JSON file, `hopfleet schema integration` shows its shape.",
    ),
]
Setting = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="May be given several times; NAME= removes it."),
]
Allow = Annotated[
    list[str] | None,
    typer.Option(metavar="CIDR", help="Only this sender may report; may be given several times."),
]
Secret = Annotated[
    str | None,
    typer.Option(metavar="S", help="ClickBank's secret key; - reads it from standard input."),
]
ApiKey = Annotated[
    str | None,
    typer.Option(metavar="S", help="ClickBank's API key, for `conversions reconcile`; or -."),
]
HmacSecret = Annotated[
    str | None,
    typer.Option(metavar="S", help="Reports must be signed with it (HMAC); or -."),
]


def secrets(secret: str | None, api_key: str | None, hmac_secret: str | None) -> dict[str, str]:
    """The secrets that were named, by the names under which they are sealed.

    Each `-` is the next line of standard input: arguments stand in the list of processes.
    """
    told = {"secret": secret, "api_key": api_key, "hmac": hmac_secret}
    return {name: _secret(value, name) for name, value in told.items() if value is not None}


def _secret(typed: str, what: str) -> str:
    given = sys.stdin.readline().strip() if typed == "-" else typed.strip()
    if not (given.isascii() and given.isprintable()):
        raise Misused(f"The {what} holds characters that are no printable ASCII.")
    if not 1 <= len(given) <= MOST_SECRET_CHARACTERS:
        raise Misused(f"The {what} must have 1 to {MOST_SECRET_CHARACTERS} characters.")
    return given


def sealed(found: dict[str, str]) -> bytes:
    """Secrets as they are kept."""
    return seal(orjson.dumps(found), settings())


def opened(kept: bytes) -> dict[str, str]:
    """Secrets that are kept, with the key of the address; empty when no key of ours opens them."""
    try:
        found: dict[str, str] = orjson.loads(unseal(bytes(kept), settings()))
    except Unsealable:
        return {}
    return found


def chosen(
    template: Path | None, given: list[str], allow: list[str] | None, *, is_signed: bool
) -> dict[str, Any]:
    """What was asked for, by name; the value None removes a setting. Raises `Misused`."""
    found: dict[str, Any] = {} if template is None else _file(template)
    found |= dict(_pair(one) for one in given)
    if allow is not None:
        found["allowed_networks"] = [one for one in allow if one.strip()] or None
    if is_signed:
        found.setdefault("hmac", {})
    return found


def merged(before: Any, changes: dict[str, Any]) -> dict[str, Any]:
    """The settings with the changes, checked as a whole; keys of others stay as they are."""
    together = {**(before if isinstance(before, dict) else {}), **changes}
    found = {name: value for name, value in together.items() if value is not None}
    try:
        IntegrationSettings.model_validate(found)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        name = ".".join(map(str, fault["loc"]))
        raise Misused(
            f"The setting {name} does not fit: {fault['msg']};"
            " `hopfleet schema integration` shows what does."
        ) from None
    return found


def _file(path: Path) -> dict[str, Any]:
    try:
        found = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise Misused(f"{path} cannot be read as JSON: {error}.") from None
    if not isinstance(found, dict):
        raise Misused(f"{path} holds no JSON object: `hopfleet schema integration` shows one.")
    if unknown := sorted(set(found) - set(IntegrationSettings.model_fields)):
        known = ", ".join(IntegrationSettings.model_fields)
        raise Misused(f"{path}: {unknown[0][:50]!r} is none of {known}.")
    return found


def _pair(given: str) -> tuple[str, Any]:
    name, separator, typed = given.partition("=")
    if not separator or name.strip() not in IntegrationSettings.model_fields:
        known = ", ".join(IntegrationSettings.model_fields)
        raise Misused(f"--setting {name[:50]!r} is no NAME=VALUE with a NAME of {known}.")
    if "\0" in typed or not typed.isprintable():
        raise Misused("--setting holds control characters or bytes that are no text.")
    return name.strip(), _value(name.strip(), typed)


def _value(name: str, typed: str) -> Any:
    if typed == "":
        return None
    if name not in _JSON:
        return typed  # an answer `1` is text
    try:
        return orjson.loads(typed)
    except orjson.JSONDecodeError:
        raise Misused(f"--setting {name} takes JSON: `hopfleet schema integration`.") from None
