"""What `doctor` looks at of calls: whether users may reach what only the operator should."""

from collections.abc import Iterator

from base.settings import settings
from ops.cli.findings import Finding, warning, well


def check() -> Iterator[Finding]:
    """What users' workflows may call."""
    chosen = settings()
    if not chosen.call_private:
        ports = ", ".join(str(port) for port in sorted(chosen.call_ports))
        yield well("calls", f"Workflows call the internet only, ports {ports}.")
        return
    networks = ", ".join(str(network) for network in chosen.call_private)
    yield warning(
        "calls",
        f"HOPFLEET_CALL_PRIVATE lets every user's workflows reach {networks}: name no network"
        " that holds a store or a metadata service.",
    )
