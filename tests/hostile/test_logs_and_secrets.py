"""Items 49 and 52-56: what is written down, and what is never written down or said."""

import os
import subprocess
import sys
from pathlib import Path

import orjson

from ops.local.ports import free_port
from tests.fleet.batches import append, item
from tests.fleet.program import ROOT, until
from tests.hostile.siege import Siege, request

_CANARY = "canary7Secret"
_EVIL = "\x1b[31mred\r\nfake.line {0} %s %n [/bold] \u202e"


def _start(*words: str, data: Path, **more: str) -> "subprocess.Popen[bytes]":
    """A command on its way; both its streams go into a file named by its words."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HOPFLEET_")}
    with _output(data, words).open("wb") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "ops", *words],
            env=kept | {"HOPFLEET_DATA_DIR": str(data)} | more,
            cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
        )  # fmt: skip


def _output(data: Path, words: tuple[str, ...]) -> Path:
    return data / ("-".join(words) + ".out")


def _printed(*words: str, data: Path, **more: str) -> str:
    """All that a command prints until it ends."""
    _start(*words, data=data, **more).wait(60)
    return _output(data, words).read_text()


def test_item_49_strangers_text_in_a_terminal_is_only_text(siege: Siege, tmp_path: Path) -> None:
    (click_id,) = siege.accepted(siege.item(source=_EVIL, sub1="=1+1", metadata={_EVIL: _EVIL}))
    siege.row(click_id)
    url = siege.fleet.stores["postgres"].url

    plain = _printed("events", "tail", "--count", "5", data=tmp_path, HOPFLEET_DATABASE_URL=url)
    lines = _printed(
        "events", "tail", "--count", "5", "--json", data=tmp_path, HOPFLEET_DATABASE_URL=url
    )

    assert "Traceback" not in plain
    assert "fake.line" in plain
    assert "\x1b" not in plain
    assert not [line for line in plain.splitlines() if line.startswith("fake")]
    assert _EVIL in [orjson.loads(line)["source"] for line in lines.splitlines()]


def test_item_52_a_strangers_text_in_a_log_is_one_line_of_json(siege: Siege) -> None:
    siege.dead = ["refused_22001", "unreadable"]
    evil = item(siege.campaign, source=_EVIL + "s" * 300)
    append(siege.fleet, orjson.dumps([evil, item(siege.campaign, user=_EVIL)]), count=2)
    siege.say(request(b"GET", b"/r/%0d%0afake.line", b"User-Agent: \x1b[31m%s{0}\r\n"))
    siege.say(b"\x1b[31mfake.line\r\n\r\n")
    siege.post(_EVIL.encode())

    until(lambda: len(siege.fleet.dead()) == 2, 10, "the poison is set aside")


_PROCESSES = ("ingest",), ("worker", "clicks"), ("scheduler",), ("doctor",)


def test_item_53_no_process_tells_a_secret(tmp_path: Path) -> None:
    port = free_port()  # where nobody listens
    secret = {
        "HOPFLEET_DATABASE_URL": f"postgresql://u:{_CANARY}@127.0.0.1:{port}/x",
        "HOPFLEET_JOURNAL_URL": f"redis://u:{_CANARY}@127.0.0.1:{port}/0",
        "HOPFLEET_REDIS_URL": f"redis://u:{_CANARY}@127.0.0.1:{port}/1",
        "HOPFLEET_SECRET_KEY": _CANARY,
        "HOPFLEET_PORT": str(free_port()),
        "HOPFLEET_LOG_LEVEL": "debug",
    }

    started = {words: _start(*words, data=tmp_path, **secret) for words in _PROCESSES}
    files = [_output(tmp_path, words) for words in _PROCESSES]
    until(lambda: all(file.stat().st_size for file in files), 60, "each has said something")
    for process in started.values():
        process.kill()
        process.wait()

    for words, process in started.items():
        assert _CANARY not in _output(tmp_path, words).read_text()
        assert _CANARY not in str(process.args)


def test_item_53_no_log_holds_a_key(siege: Siege) -> None:
    siege.accepted(siege.item())
    siege.post(b"{}")
    siege.say(request(b"POST", b"/v1/events", f"X-Api-Key: {_CANARY}\r\n".encode(), b"{}"))
    key = siege.key["Authorization"].removeprefix("Bearer ")

    for log in siege.fleet.folder.rglob("*.log"):
        text = log.read_text(errors="replace")
        assert key not in text
        assert _CANARY not in text


_ERRORS = (
    b"GET /none HTTP/1.1\r\n\r\n", b"BAD\r\n\r\n", b"POST /r/x HTTP/1.1\r\n\r\n",
    b"POST /e/x HTTP/1.1\r\nContent-Length: 1\r\n\r\n{", b"GET /r/nobody HTTP/1.1\r\n\r\n",
    b"POST /v1/events HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", b"GET /x" + b"x" * 9_000,
    b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000, b"GET /t/none HTTP/1.1\r\n\r\n",
)  # fmt: skip
_INNER = (b"SELECT", b"psycopg", b"python", b"Python", b"uvloop", b"/site-packages", b"Traceback",
          b"asyncio", b"\nServer:", b"X-Powered-By", b"dramatiq", b"httptools", b".py")  # fmt: skip


def test_item_54_errors_say_nothing_of_our_inside(siege: Siege) -> None:
    for data in _ERRORS:
        said = siege.say(data)

        assert said.startswith(b"HTTP/1.1 4")
        assert len(said) < 600
        assert not [word for word in _INNER if word in said], said


def test_item_55_only_the_network_of_an_address_is_on_disk(siege: Siege) -> None:
    address = "203.0.113.77"
    (click_id,) = siege.accepted(siege.item(metadata={"ip": address}))

    assert siege.row(click_id)["meta"]["ip"] == "203.0.113.0"
    for folder in ("data", "journal"):
        for file in (siege.fleet.folder / folder).rglob("*"):
            if file.is_file():
                assert address.encode() not in file.read_bytes()


def test_item_56_a_deleted_user_is_in_no_table(siege: Siege) -> None:
    gone = Siege(siege.fleet)
    gone.accepted(gone.item(event_id="e1"), gone.sale(order_id="o1", amount="5.00"))
    gone.click()
    siege.fleet.until_drained()
    siege.fleet.sql("DELETE FROM users WHERE id = %s", gone.user_id)

    tables = siege.fleet.sql(
        "SELECT c.table_name FROM information_schema.columns c JOIN information_schema.tables t"
        " USING (table_schema, table_name) WHERE c.table_schema = 'public'"
        " AND c.column_name = 'user_id' AND t.table_type = 'BASE TABLE'"
    )
    held = {
        name: siege.fleet.sql(f"SELECT FROM {name} WHERE user_id = %s", gone.user_id)
        for (name,) in tables
    }
    assert len(held) > 5
    assert not any(held.values()), held
