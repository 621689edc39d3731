"""`hopfleet workflows export|schema`: a definition as a file, and the shape of such files."""

from importlib.resources import files
from typing import Annotated

import typer

from base.errors import Misused
from ops.cli import lookup, output, workflow_files
from ops.cli.database import transaction
from schemas.workflow_schema import of_file

_EXAMPLES = files("ops") / "examples"


def export(
    workflow: Annotated[
        str | None, typer.Argument(metavar="[WORKFLOW]", help="Its id, digits of it, or name.")
    ] = None,
    example: Annotated[
        str | None, typer.Option(metavar="NAME", help="One of the ready-made ones instead.")
    ] = None,
    json: output.Json = False,
) -> None:
    """Print a definition as YAML, which `workflows add` takes; without a name, list examples."""
    if workflow is not None and example is not None:
        raise Misused("Name a workflow or an --example, not both.")
    if example is not None:
        _example(example, json)
    elif workflow is None:
        _list(json)
    else:
        with transaction() as tx:
            row = lookup.workflow(tx, workflow)
        if json:
            output.print_json(workflow_files.document(row.columns))
        else:
            output.print_bytes(workflow_files.dump(row.columns).encode())


def examples() -> list[str]:
    """The names of the ready-made definitions."""
    found = (one.name for one in _EXAMPLES.iterdir())
    return sorted(name.removesuffix(".yaml") for name in found if name.endswith(".yaml"))


def _example(name: str, json: bool) -> None:
    if name not in examples():
        raise Misused(f"There is no example {name[:50]!r}: take one of {', '.join(examples())}.")
    text = (_EXAMPLES / f"{name}.yaml").read_bytes()
    if json:
        output.print_json(workflow_files.document(workflow_files.from_text(text, name).columns))
    else:
        output.print_bytes(text)


def _list(json: bool) -> None:
    if json:
        output.print_json({"items": [{"name": name} for name in examples()]})
        return
    for name in examples():
        output.say(name)
    output.note(
        "Ready-made ones: hopfleet workflows export --example NAME | hopfleet workflows add - "
        "--user E"
    )


def schema(json: output.Json = False) -> None:
    """Print the shape of such a file as JSON Schema, for editors."""
    output.print_json(of_file())
