"""`hopfleet worker QUEUE…`: a dramatiq worker for the queues named, in this process."""

from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def worker(
    queues: Annotated[list[str], typer.Argument(help="The queues to work on.")],
    threads: Annotated[
        int | None, typer.Option(min=1, help="How many pieces of work at once.")
    ] = None,
    poll_ms: Annotated[
        int | None, typer.Option(min=10, help="How often an idle queue is asked, in ms.")
    ] = None,
) -> None:
    """Work until told to stop."""
    # Every actor belongs to a broker, whose address `--help` should not need.
    from workers import runner

    runner.run(queues, threads, poll_ms)
