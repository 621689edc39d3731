"""Items 53, 61 and 62: what workflows call, with what, and the secrets they may name."""

import subprocess
import sys
from typing import Any

from tests.fleet import automation
from tests.fleet.automation import note
from tests.fleet.fleet import Fleet
from tests.fleet.mail_server import mail_server
from tests.fleet.program import ROOT, until
from tests.fleet.receiver import receiver
from tests.hostile.siege import Siege

_SECONDS = 30
_CANARY = "canary9Workflow"
_HOSTS = (
    "127.0.0.1", "localhost", "localhost.", "LOCALHOST", "127.1", "0x7f000001", "2130706433",
    "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::]", "0.0.0.0", "0",  # noqa: S104
    "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "169.254.169.254", "[fe80::1]", "10.0.0.1",
    "192.168.0.1", "172.16.0.1", "100.64.0.1", "①②⑦.0.0.1", "user@127.0.0.1",
    "example.com@127.0.0.1", "127.0.0.1\\@example.com", "127.0.0.1%00.example.com",
    "\uff11\uff12\uff17.\uff10.\uff10.\uff11",  # in full-width digits
)  # fmt: skip
_URLS = (
    "file:///etc/passwd", "gopher://127.0.0.1/x", "ftp://127.0.0.1/", "//127.0.0.1/",
    "http:127.0.0.1", "http://", "http:///x", "javascript:alert(1)", "http://[::1", "",
    "unix:///tmp/x", "https://" + "a" * 70_000 + ".example.com/",
)  # fmt: skip


def _end(siege: Siege, actions: list[Any], inputs: list[dict[str, Any]]) -> list[automation.Run]:
    """A run with each of these inputs, once all are over."""
    flow = automation.workflow(siege.fleet, {"id": siege.user_id}, actions)
    for given in inputs:
        automation.start(siege.fleet, flow, **given)

    def over() -> bool:
        found = automation.runs(siege.fleet, flow)
        return len(found) == len(inputs) and all(run.state in ("done", "dead") for run in found)

    until(over, _SECONDS, "all runs are over")
    return automation.runs(siege.fleet, flow)


def test_item_61_no_spelling_leads_a_call_inside(fleet: Fleet) -> None:
    with receiver() as server, automation.allowed(fleet, server.url, call_private=""):
        siege = Siege(fleet)
        port = server.url.rpartition(":")[2]
        once = {"retry": {"attempts": 1}}  # some are names that nobody knows

        hosts = _end(
            siege, [{"http_request": {"url": "http://{{ input.host }}:" + port}, **once}],
            [{"host": host} for host in _HOSTS],
        )  # fmt: skip
        urls = _end(
            siege,
            [{"http_request": {"url": "{{ input.url }}"}, **once}],
            [{"url": url} for url in _URLS],
        )
        siege.lift()

    assert server.heads == []
    for run in (*hosts, *urls):
        assert (run.state, run.outcome) == ("dead", "failed"), run
        assert 0 < len(run.reason or "") < 600


def test_item_62_no_template_adds_a_header_or_a_recipient(fleet: Fleet) -> None:
    evil = ("a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\rX-Evil: 1", "a\u2028\r\n\r\nGET / HTTP/1.1")
    people = ("a@example.com\r\nBcc: b@example.com", "a@example.com, b@example.com", "a\n@a.com")
    given = [{"name": name} for name in evil]
    with (
        receiver() as server, mail_server() as (smtp, mails),
        automation.allowed(fleet, server.url, smtp_url=smtp),
    ):  # fmt: skip
        siege = Siege(fleet)
        request = {"url": server.url, "json": {"run": 1}}
        mail = {"to": "a@example.com", "subject": "x", "text": "x"}
        refused = [
            run
            for step, inputs in (
                ({"http_request": {**request, "headers": {"X-Name": "{{ input.name }}"}}}, given),
                ({"http_request": {**request, "headers": {"X-{{ input.name }}": "x"}}}, given),
                ({"http_request": {**request, "headers": {"Host": "{{ input.name }}"}}}, given),
                ({"send_email": {**mail, "to": "{{ input.name }}"}}, [{"name": o} for o in people]),
            )
            for run in _end(siege, [step], inputs)
        ]
        sent = _end(siege, [{"send_email": {**mail, "subject": "{{ input.name }}"}}], given)
        siege.lift()

    assert [run for run in refused if run.outcome != "failed"] == []
    assert server.heads == []
    assert {run.outcome for run in sent} == {"succeeded"}  # their ends of lines are spaces
    assert mails.by_address == {"a@example.com": len(sent)}
    assert "X-Evil" not in mails.header_names
    assert mails.header_names["Subject"] == len(sent)


def test_item_53_a_workflows_secret_is_told_to_nobody_but_whom_it_is_for(fleet: Fleet) -> None:
    with receiver() as server, automation.allowed(fleet, server.url):
        siege = Siege(fleet)
        done = subprocess.run(
            [sys.executable, "-m", "ops", "workflows", "secrets", "set", "canary",
             "--user", str(siege.user_id)],
            input=_CANARY, env=fleet.programs["ingest"].environment, cwd=ROOT, text=True,
            capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        told = "{{ secrets.canary }}"
        request = {"headers": {"Authorization": f"Bearer {told}"}, "json": {"a": [told]}}
        echo = f"{server.url}echo/"
        actions = [
            note(f"my secret is {told}"),
            {"name": "said", "http_request": {"url": f"{echo}200/{told}", **request}},
            note("{{ steps.said.body }}"),
            {"http_request": {"url": f"{echo}400/{told}", **request}, "on_error": "continue"},
            {"create_content": {"type": "post", "title": told, "body": "{{ steps.said }}"}},
            {"http_request": {"url": f"http://{told}.invalid/{told}", **request}},
        ]
        (run,) = _end(siege, actions, [{}])
        shown = [
            fleet.hopfleet("workflows", *words)
            for words in (
                ("runs", str(_flow_of(siege, run)), "--json"), ("trace", str(run.id)),
                ("show", str(_flow_of(siege, run))), ("export", str(_flow_of(siege, run))),
            )
        ] + [fleet.hopfleet("dead", "list", "--json"), done.stdout, done.stderr]  # fmt: skip
        siege.lift()

    assert len([head for head in server.heads if _CANARY in head]) >= 2
    assert run.outcome == "failed"
    for table, text in _dump(fleet):
        assert _CANARY not in text, table
    for log in fleet.folder.rglob("*.log"):
        assert _CANARY not in log.read_text(errors="replace"), log
    for text in shown:
        assert _CANARY not in text


def _flow_of(siege: Siege, run: automation.Run) -> Any:
    return siege.fleet.sql("SELECT workflow_id FROM workflow_runs WHERE id = %s", run.id)[0][0]


def _dump(fleet: Fleet) -> list[tuple[str, str]]:
    """Every row of every table as text, by table."""
    tables = fleet.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return [
        (name, str(row[0])) for (name,) in tables
        for row in fleet.sql(f'SELECT t::text FROM "{name}" t')
    ]  # fmt: skip
