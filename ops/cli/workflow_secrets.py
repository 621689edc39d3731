"""`hopfleet workflows secrets`: what templates may name and nobody may read."""

import re
import sys
from typing import Annotated, Any, NamedTuple

import typer

from base.errors import Misused
from db import secrets
from ops.cli import lookup, output
from ops.cli.database import transaction

_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")
_MOST_BYTES = 16 * 1024

app = typer.Typer(help="Keep tokens and keys for templates: {{ secrets.name }}.")

User = Annotated[str, typer.Option(metavar="USER", help="The user's e-mail or id.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="{{ secrets.NAME }} in templates.")]


class Shown(NamedTuple):
    """A secret in a list: never its value."""

    name: str
    updated_at: Any
    readable: bool


@app.command("set")
def set_(name: Name, user: User, json: output.Json = False) -> None:
    """Keep a secret, asked for without showing it, or read from standard input."""
    key = _checked(name)
    with transaction() as tx:
        owner = lookup.user(tx, user)
    value = _value()
    with transaction() as tx:
        is_new = secrets.put(tx, owner.id, key, value)
    if json:
        output.print_json({"name": key, "new": is_new})
    else:
        did = "is kept" if is_new else "takes the place of the one before"
        output.say(f"{key} {did}: {{{{ secrets.{key} }}}} in templates of {owner.email}.")


@app.command("list")
def list_(user: User, json: output.Json = False) -> None:
    """Show the names of a user's secrets; their values are never shown."""
    with transaction() as tx:
        owner = lookup.user(tx, user)
        found = [Shown(*one) for one in secrets.names(tx, owner.id)]
    none = f"No secrets of {owner.email}: `hopfleet workflows secrets set NAME --user E`."
    output.print_page(json, found, None, ("name", "updated_at", "readable"), none)
    if not json and not all(one.readable for one in found):
        output.note(
            "What is not readable was sealed with another HOPFLEET_SECRET_KEY: name that one in"
            " HOPFLEET_SECRET_KEYS_BEFORE, or set the secret anew."
        )


@app.command()
def delete(name: Name, user: User, json: output.Json = False) -> None:
    """Forget a secret; steps that name it fail from now on."""
    key = _checked(name)
    with transaction() as tx:
        owner = lookup.user(tx, user)
        if not secrets.delete(tx, owner.id, key):
            raise Misused(
                f"{owner.email} has no secret {key!r}: `hopfleet workflows secrets list` shows"
                " them."
            )
    if json:
        output.print_json({"name": key, "deleted": True})
    else:
        output.say(f"Deleted {key}.")


def _checked(name: str) -> str:
    # What does not fit may be the secret itself, so it is not repeated.
    if not _NAME.fullmatch(name):
        raise Misused(
            "A secret's name has 1 to 100 letters, digits, hyphens or underscores; its value is"
            " asked for, or read from standard input."
        )
    return name


def _value() -> str:
    """A secret, never from the arguments: the list of processes would show it."""
    if sys.stdin.isatty():
        given = str(typer.prompt("Value", hide_input=True, confirmation_prompt=True, err=True))
    else:
        read = sys.stdin.buffer.read(_MOST_BYTES + 2)
        try:
            given = read.decode().removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            raise Misused("The secret is no text in UTF-8.") from None
    if not given or len(given.encode()) > _MOST_BYTES:
        raise Misused(f"A secret has 1 to {_MOST_BYTES:,} bytes: give it on standard input.")
    return given
