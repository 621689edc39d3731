"""`hopfleet ingest`: the doors, in this process."""

import typer

import ingest_api

app = typer.Typer()


@app.command()
def ingest() -> None:
    """Serve until told to stop; host, port and the rest come from the settings."""
    ingest_api.main()
