"""`hopfleet scheduler`: the clock, in this process."""

import typer

app = typer.Typer()


@app.command()
def scheduler() -> None:
    """Tick until told to stop; any number may run at once."""
    # It names actors, which belong to a broker, whose address `--help` should not need.
    import scheduler as clock_process

    clock_process.main()
