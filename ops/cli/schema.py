"""`hopfleet schema`: the shapes of what the tables hold as JSON, for other programs."""

from typing import Annotated

import typer
from pydantic import BaseModel

from base.errors import Misused
from ops.cli import output
from schemas.bonuses import BonusMetadata
from schemas.campaigns import CampaignSettings
from schemas.integrations import IntegrationSettings

# One line a shape: its name here, what it is, and which column holds it.
SHAPES: dict[str, tuple[type[BaseModel], str]] = {
    "campaign": (CampaignSettings, "campaigns.settings"),
    "integration": (IntegrationSettings, "integrations.settings"),
    "bonus": (BonusMetadata, "bonuses.metadata"),
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
    output.print_json(SHAPES[name][0].model_json_schema())
