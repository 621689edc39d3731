"""`hopfleet ingest`: the doors, in this process."""

from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def ingest(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port; several doors may share one.")
    ] = None,
) -> None:
    """Serve until told to stop; what is not given comes from the settings."""
    # It nudges actors, which belong to a broker, whose address `--help` should not need.
    import ingest_api

    ingest_api.main(host, port)
