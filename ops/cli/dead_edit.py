"""`hopfleet dead edit`: a dead letter's item, put right by a person or a script."""

import sys
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import click
import orjson
import typer

from base.errors import Misused, Permanent
from db import letters
from db.held import WHOLE_BATCH
from db.letters import NOUNS
from ops.cli import letters as chosen
from ops.cli import output
from ops.cli.database import transaction
from schemas.items import fault
from workers.rows import row_of

# What an edit may not change: the audit has counted the event by it.
_KEPT = ("door",)


def edit(
    which: Annotated[str, typer.Argument(metavar="NOUN:ID")],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="For instance meta.country=DE."),
    ] = None,
    file: Annotated[
        str | None, typer.Option(help="Take the whole item from this file; - for standard input.")
    ] = None,
    replay: Annotated[bool, typer.Option("--replay", help="Try it again at once.")] = False,
    json: output.Json = False,
) -> None:
    """Change what a dead letter holds: in $EDITOR, by --set, or by --file.

    Only what can be an item is kept; what first came is kept beside it.
    """
    one = chosen.address(which)
    if not NOUNS[one.noun].item:
        raise Misused(f"{one} holds nothing that could be edited.")
    with transaction() as tx:
        row = letters.show(tx, one.noun, one.id)
    if row is None:
        raise chosen.none(one)
    was = readable(row["item"])
    item = _new(was, set_, file)
    user = _check(was, item, whole=row["position"] == WHOLE_BATCH)
    if item == was and not replay:
        output.note("Nothing was changed.")
        return
    with transaction() as tx:
        if not letters.edit(tx, one.noun, one.id, row["item"], orjson.dumps(item), user):
            raise Misused(f"Somebody else has changed {one} meanwhile: look at it again.")
        if replay:
            letters.replay(tx, one.noun, [one.id])
    if json:
        output.print_json({"address": str(one), "item": item, "replayed": replay})
    else:
        output.say(f"Changed {one}" + (", which is tried again." if replay else "."))


def readable(body: bytes) -> Any:
    """What a letter holds, as JSON where it is JSON."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return bytes(body).decode("utf-8", "backslashreplace")


def _new(was: Any, changes: list[str] | None, file: str | None) -> Any:
    if changes and file:
        raise Misused("Either --set or --file, not both.")
    if changes:
        new = orjson.loads(orjson.dumps(was))
        for change in changes:
            _set(new, change)
        return new
    if file is not None:
        try:
            text = sys.stdin.read() if file == "-" else Path(file).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise Misused(f"{file} cannot be read: {error}.") from None
    else:
        shown = orjson.dumps(was, option=orjson.OPT_INDENT_2).decode() + "\n"
        text = click.edit(shown, extension=".json") or shown
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Misused(f"That is no JSON ({error}): nothing was changed.") from None


def _set(item: Any, change: str) -> None:
    """`a.b=value`: a value that is JSON counts as that, other text as it stands."""
    path, equals, text = change.partition("=")
    *above, last = path.split(".")
    for name in above:
        item = item.get(name) if isinstance(item, dict) else None
    if not equals or not last or not isinstance(item, dict):
        raise Misused(f"--set {change!r} names nothing there is: it looks like meta.country=DE.")
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = text
    # An item's own fields are texts: `--set amount=12.50` means the text.
    item[last] = value if above or isinstance(value, str) else text


def _check(was: Any, new: Any, *, whole: bool) -> str | None:
    """Refuse what cannot be an item, or a batch of them; returns the owner of a single one."""
    if not whole:
        _check_item(was, new, "The item")
        return str(UUID(new["user"]))
    if not isinstance(new, list):
        raise Misused("A batch is an array of items: nothing was changed.")
    if isinstance(was, list) and len(was) != len(new):
        raise Misused(f"The batch has {len(was)} items, and must keep as many.")
    for place, item in enumerate(new):
        _check_item(was[place] if isinstance(was, list) else None, item, f"Item {place}")
    return None


def _check_item(was: Any, new: Any, name: str) -> None:
    why = fault(new)
    if why is None:
        try:
            row_of(new, None)
        except Permanent as error:
            why = str(error).rstrip(".")
    if why is not None:
        raise Misused(f"{name} cannot be stored so ({why}): nothing was changed.")
    if isinstance(was, dict) and any(was.get(kept) != new.get(kept) for kept in _KEPT):
        raise Misused(f"{name} must keep its {' and '.join(_KEPT)}: nothing was changed.")
