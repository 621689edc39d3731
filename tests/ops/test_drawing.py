"""The drawing of what runs where: whole, narrow, and without secrets."""

from typing import Any

from admin.processes import Running
from base.settings import Settings
from ops.local.drawing import draw, picture
from ops.local.leftovers import Child

SETTINGS: dict[str, Any] = {
    "database_url": "postgresql://hopfleet:secret-one@db.example.com:5432/hopfleet",
    "journal_url": "redis://:secret-two@127.0.0.1:7001/0",
    "redis_url": "rediss://:secret-three@10.0.0.9:7002/0",
}


def process(role: str, pid: int, **more: Any) -> Running:
    return Running(role, pid, 1.0, "boot", "host", f"http://127.0.0.1:{pid}", **more)


def test_everything_that_runs_is_in_it_and_it_fits_eighty_columns() -> None:
    queues = ["webhooks", "bonuses", "workflows", "content", "products", "maintenance"]
    running = [
        process("ingest", 9640, door="http://127.0.0.1:8000"),
        process("ingest", 9641, door="http://127.0.0.1:8001"),
        process("scheduler", 9642),
        process("worker", 9643, queues=["clicks", "conversions"]),
        process("worker", 9644, queues=queues),
    ]
    journal = Child("journal", 77, 1.0, "boot", "SIGTERM", store=True)

    drawn = draw(picture(Settings(**SETTINGS), running, [journal], {9643: "1,234 rows/s stored"}))

    assert max(map(len, drawn.splitlines())) < 80
    for word in (
        "http://127.0.0.1:8000", "http://127.0.0.1:8001", "pid 9640  admin :9640", "pid 9644",
        "clicks conversions", *queues, "1,234 rows/s stored", "127.0.0.1:7001  pid 77",
        "10.0.0.9:7002", "db.example.com:5432", "scheduler",
    ):  # fmt: skip
        assert word in drawn
    assert "secret" not in drawn
    boxes = [line.count("│") for line in drawn.splitlines()[1:]]
    assert all(count % 2 == 0 for count in boxes)


def test_what_does_not_run_here_is_said() -> None:
    drawn = draw(picture(Settings(**SETTINGS), [], [], {}))

    assert drawn.count("none here") == 3
