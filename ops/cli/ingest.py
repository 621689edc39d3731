"""`hopfleet ingest`: the doors, in this process."""

import typer

app = typer.Typer()


@app.command()
def ingest() -> None:
    """Serve until told to stop; host, port and the rest come from the settings."""
    # It nudges actors, which belong to a broker, whose address `--help` should not need.
    import ingest_api

    ingest_api.main()
