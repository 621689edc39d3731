"""`hopfleet schema`: the shapes of what the tables hold as JSON, for other programs."""

from collections.abc import Callable
from typing import Annotated, Any

import typer

from base.errors import Misused
from ops.cli import output
from schemas.bonuses import BonusMetadata
from schemas.campaigns import CampaignSettings
from schemas.integrations import IntegrationSettings
from schemas.workflow_events import WorkflowEvent
from schemas.workflow_schema import of_file

# One line a shape: its name here, what it is, and which column holds it.
SHAPES: dict[str, tuple[Callable[[], dict[str, Any]], str]] = {
    "campaign": (CampaignSettings.model_json_schema, "campaigns.settings"),
    "integration": (IntegrationSettings.model_json_schema, "integrations.settings"),
    "bonus": (BonusMetadata.model_json_schema, "bonuses.metadata"),
    "workflow": (of_file, "workflows, as a file"),
    "workflow_event": (WorkflowEvent.model_json_schema, "event, in conditions and templates"),
}

app = typer.Typer()


@app.command()
def schema(
    name: Annotated[str | None, typer.Argument(help=" | ".join(SHAPES))] = None,
    json: output.Json = False,
) -> None:
    """Print a shape as JSON Schema; without a name, list them."""
    if name is None:
        if json:
            output.print_json({"items": [{"name": n, "of": of} for n, (_, of) in SHAPES.items()]})
        else:
            output.print_table(("name", "of"), [(n, of) for n, (_, of) in SHAPES.items()])
        return
    if name not in SHAPES:
        raise Misused(f"There is no shape {name[:50]!r}: take one of {', '.join(SHAPES)}.")
    output.print_json(SHAPES[name][0]())
