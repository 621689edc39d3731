"""The table a person reads after a run: figures, what they are compared with, what to reach."""

from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

Figures = dict[str, float | None]


@dataclass(frozen=True)
class Line:
    """One line: what it says, the figure's name in the summary, its goal."""

    title: str
    name: str
    unit: str = ""
    least: float | None = None
    most: float | None = None

    def goal(self) -> str:
        """The goal in words, empty without one."""
        if self.least is not None:
            return f"≥ {_number(self.least)}"
        return "" if self.most is None else f"≤ {_number(self.most)}"

    def verdict(self, value: float | None) -> str:
        """Whether `value` reaches the goal; empty when there is nothing to say."""
        if value is None or (self.least is None and self.most is None):
            return ""
        reached = (self.least is None or value >= self.least) and (
            self.most is None or value <= self.most
        )
        return "yes" if reached else "NO"


LINES = (
    Line("Limit: bare server, nothing stored", "bare_requests_per_second", "requests/s"),
    Line("Limit: raw COPY of the same rows", "copy_rows_per_second", "rows/s"),
    Line("Limit: raw COPY, two at once", "copy_two_rows_per_second", "rows/s"),
    Line("Usual way: answered", "usual_requests_per_second", "requests/s"),
    Line("Usual way: stored", "usual_rows_per_second", "rows/s"),
    Line("Usual way: answer p50", "usual_p50_ms", "ms"),
    Line("Hopfleet: answered", "requests_per_second", "requests/s"),
    Line("Hopfleet: stored", "rows_per_second", "rows/s"),
    Line("Meanwhile: programs outside the run", "others_cores", "cores"),
    Line("Stored ÷ usual way", "rows_to_usual", "times", least=10),
    Line("Stored ÷ raw COPY", "rows_to_copy", "times", least=0.35),
    Line("Stored ÷ raw COPY, two at once", "rows_to_copy_two", "times"),
    Line("Answered ÷ bare server", "requests_to_bare", "times"),
    Line("Acked", "acked", "events"),
    Line("Acked but not stored", "missing", "events", most=0),
    Line("Stored but not acked", "unexpected", "events", most=0),
    Line("Stored more than once", "repeated", "events", most=0),
    Line("Drained after the load's end", "drain_seconds", "s", most=2),
    Line("Answer p50, saturated", "p50_ms", "ms", most=12),
    Line("Answer p99, saturated", "p99_ms", "ms"),
    Line("Half of that load", "half_rate", "requests/s"),
    Line("Answer p99 at half load", "half_p99_ms", "ms", most=25),
    Line("Idle: click until row, p50", "visible_p50_ms", "ms"),
    Line("Idle: click until row, p99", "visible_p99_ms", "ms", most=300),
    Line("Idle: CPU of everything", "idle_cores", "cores", most=0.10),
    Line("Memory after the run: ingest", "ingest_mib", "MiB", most=150),
    Line("Memory after the run: largest worker", "worker_mib", "MiB", most=250),
)


def show(result: dict[str, Any], console: Console) -> None:
    """Print the result of `ingest.run`: machine, medians with goals, CPU under load."""
    machine, figures = result["machine"], result["median"]
    busy = ", ".join(map(str, machine["load_average_before"]))
    console.print(
        f"{machine['cores']} cores, {machine['system']}, Python {machine['python']};"
        f" load average before the run: {busy}",
        soft_wrap=True,
    )
    if len(result["runs"]) > 1:
        console.print(f"Medians of {len(result['runs'])} runs.")
    console.print(_figures(figures))
    console.print(_usage(result["runs"][-1]["hopfleet"]))
    if figures["usual_void"]:
        console.print(
            "The usual way stayed below 500 requests/s twice: its run is void, and so is the ratio."
        )


def _figures(figures: Figures) -> Table:
    table = Table("", "figure", "", "goal", "reached", box=None, pad_edge=False)
    table.columns[1].justify = "right"
    for line in LINES:
        value = figures[line.name]
        shown = "not run" if value is None else _number(value)
        table.add_row(line.title, shown, line.unit, line.goal(), line.verdict(value))
    return table


def _usage(hopfleet: dict[str, Any]) -> Table:
    """CPU of every component while saturated and idle, and its largest process."""
    table = Table("component", "cores, saturated", "cores, idle", "MiB", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for name, use in hopfleet["load"]["usage"].items():
        idle = hopfleet["idle_usage"].get(name)
        table.add_row(
            name,
            f"{use['cores']:.2f}",
            f"{idle['cores']:.3f}" if idle else "",
            f"{use['largest_mib']:.0f}",
        )
    return table


def _number(value: float) -> str:
    """Thousands apart, and as many decimals as the size deserves."""
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 20 else f"{value:.3g}"
