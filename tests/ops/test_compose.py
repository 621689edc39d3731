"""compose.yaml and Dockerfile, read: no engine runs here, so their words are held to ours."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from ops.cli import command_line
from ops.cli.up import app as up_app
from workers.queues import Queue

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def compose() -> Any:
    return yaml.safe_load((ROOT / "compose.yaml").read_text())


def ours(compose: Any) -> dict[str, Any]:
    return {
        name: service
        for name, service in compose["services"].items()
        if service["image"] == "hopfleet"
    }


def parse(words: list[str]) -> dict[str, Any]:
    """What the command line makes of the words; raises when it refuses them."""
    group: Any = get_command(command_line(words[0]))
    context = group.commands[words[0]].make_context(words[0], words[1:])
    return dict(context.params)


def test_every_command_of_ours_is_one_the_command_line_takes(compose: Any) -> None:
    for service in ours(compose).values():
        parse(list(service["command"]))


def test_every_queue_has_exactly_one_service_named_like_it(compose: Any) -> None:
    workers = {
        name: parse(list(service["command"]))["queues"]
        for name, service in ours(compose).items()
        if service["command"][0] == "worker"
    }

    assert workers == {queue.value: [queue.value] for queue in Queue}


def test_the_fleet_waits_for_tables_and_stores(compose: Any) -> None:
    for name, service in ours(compose).items():
        waits = service["depends_on"]
        if name == "migrate":
            assert waits["postgres"]["condition"] == "service_healthy"
        else:
            assert waits["migrate"]["condition"] == "service_completed_successfully"
            assert waits["journal"]["condition"] == "service_healthy"


def test_only_the_journal_is_on_disk_before_it_answers(compose: Any) -> None:
    journal, broker = compose["services"]["journal"], compose["services"]["broker"]

    for promise in (
        "appendonly yes",
        "appendfsync always",
        "no-appendfsync-on-rewrite no",
        "maxmemory-policy noeviction",
    ):
        assert promise in journal["command"][-1]
    assert journal["volumes"] == ["journal:/data"]
    assert "appendonly no" in broker["command"][-1]
    assert "maxmemory-policy noeviction" in broker["command"][-1]


def test_every_service_that_stays_has_a_health_check(compose: Any) -> None:
    for name in ("postgres", "journal", "broker"):
        assert compose["services"][name]["healthcheck"]["test"]
    for name, service in ours(compose).items():
        if name == "migrate":
            assert service["healthcheck"] == {"disable": True}
        else:
            asked = service["healthcheck"]["test"][-1]
            port = service["environment"]["HOPFLEET_ADMIN_PORT"]
            assert f"http://127.0.0.1:{port}/livez" in asked


def test_the_admin_port_is_published_nowhere(compose: Any) -> None:
    for service in ours(compose).values():
        port = str(service["environment"]["HOPFLEET_ADMIN_PORT"])
        assert not any(port in published for published in service.get("ports", ()))


def test_every_door_has_a_volume_of_its_own_for_its_spool(compose: Any) -> None:
    assert compose["services"]["ingest"]["volumes"] == ["/data"]
    assert "HOPFLEET_DATA_DIR=/data" in (ROOT / "Dockerfile").read_text()


def test_no_secret_is_inside_and_a_missing_one_says_what_to_do() -> None:
    text = (ROOT / "compose.yaml").read_text()
    example = (ROOT / ".env.example").read_text()

    for name in re.findall(r"\$\{(HOPFLEET_\w*(?:PASSWORD|KEY))", text):
        assert re.search(rf"\$\{{{name}:\?put {name} into \.env", text)
        assert re.search(rf"^{name}=$", example, re.MULTILINE)
        assert not re.search(rf"\$\{{{name}:-", text)


def test_the_image_holds_every_room_and_runs_as_nobody_special() -> None:
    text = (ROOT / "Dockerfile").read_text()
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}

    copied = set(re.findall(r"^COPY (\w+) \1$", text, re.MULTILINE))
    allowed = set(re.findall(r"^!(\w+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE))

    assert copied == allowed == rooms | {"alembic"}
    assert re.search(r"^USER hopfleet$", text, re.MULTILINE)
    assert "http" not in text


def test_up_takes_what_the_documentation_says() -> None:
    context = get_command(up_app).make_context(
        "up", ["--port", "9000", "--data-dir", "d", "--no-demo"]
    )

    assert context.params["port"] == 9000
    assert context.params["demo"] is False
