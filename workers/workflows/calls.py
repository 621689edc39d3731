"""One call: what is sent, or why it is not, and what its outcome means for whoever waits."""

import random
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from base.clock import now, wall_ms
from base.errors import HopfleetError, Misused, Transient
from base.logs import log
from base.sealing import unseal
from base.settings import settings
from db import calling, runs, secrets
from db.calling import DueCall, Try, Turn
from db.connection import Tx
from db.runs import StepEnd
from integrations import calling as http
from integrations import smtp
from rules import emails, retries, sending, webhook_signature
from rules.mails import Letter, Mail, write
from rules.veils import TooDeep, Veil, veil, veiled
from workers import mails

SUSPENDED_SECONDS = 30.0
NO_SERVER_SECONDS = 60.0
MOST_SAID = 2_000
_MOST_ERROR = 300
_IDLE_ACCOUNTS = ("suspended", "canceled")
_SHOWN_HEADERS = ("content-type", "location", "retry-after", "x-request-id", "request-id", "etag")
_AGENT = f"Hopfleet/{version('hopfleet')}"


class Post(NamedTuple):
    """A mail, and the server that is to take it."""

    server: smtp.Server
    mail: Mail


class Ready(NamedTuple):
    """A call about to be made; its attempt is written down."""

    due: DueCall
    attempt_id: int
    what: http.Request | Post


class Ended(NamedTuple):
    """What became of a call, before it is written down; without an attempt it was not sent."""

    due: DueCall
    attempt_id: int | None
    outcome: str
    said: str
    status: int | None = None
    milliseconds: int = 0
    after: float | None = None  # seconds that the other side asks for
    output: Any = None


def ready(tx: Tx, due: Sequence[DueCall]) -> tuple[list[Ready], list[Ended]]:
    """Those of the claimed calls that may be sent, and those whose outcome is known without."""
    lost = calling.abandoned(tx, [call.id for call in due])
    found: dict[int, http.Request | Post] = {}
    ended: list[Ended] = []
    waits: list[Turn] = []
    for call in due:
        if not call.wanted:
            ended.append(Ended(call, None, "cancelled", "nobody waits for it any more"))
        elif call.id in lost and (call.on_unknown != "retry" or call.tries >= call.most_tries):
            ended.append(Ended(call, None, "unknown", "the worker did not come back"))
        elif call.user_status in _IDLE_ACCOUNTS:
            error = f"the account is {call.user_status}"
            waits.append(_again(call, SUSPENDED_SECONDS, error))
        else:
            try:
                found[call.id] = _MADE[call.kind](call, _opened(call))
            except (Transient, Misused) as error:
                waits.append(_again(call, NO_SERVER_SECONDS, str(error)))
            except (HopfleetError, ValueError, KeyError) as error:
                ended.append(Ended(call, None, "refused", str(error)))
    if waits:
        calling.turn(tx, waits)
    begun = calling.begin(tx, [call for call in due if call.id in found])
    return [Ready(call, begun[call.id], found[call.id]) for call in due if call.id in found], ended


def _opened(call: DueCall) -> dict[str, Any]:
    opened: dict[str, Any] = orjson.loads(unseal(call.request or b"", settings()))
    return opened


def request(call: DueCall, what: dict[str, Any]) -> http.Request:
    """A request as it goes out, signed now; raises ValueError when it may not."""
    body = (what.get("body") or "").encode()
    given = {str(name): str(value) for name, value in (what.get("headers") or {}).items()}
    named = {name.lower() for name in given}
    own = {"User-Agent": _AGENT, "Idempotency-Key": call.key, "Accept": "*/*"}
    headers = {name: value for name, value in own.items() if name.lower() not in named} | given
    if what.get("sign"):
        signed = webhook_signature.headers(what["sign"], call.key, wall_ms() // 1000, body)
        headers = {name: text for name, text in headers.items() if name.lower() not in signed}
        headers |= signed
    return http.request(what["method"], what["url"], headers, body, settings().call_ports)


def mail(call: DueCall, what: dict[str, Any]) -> Post:
    """A mail as the installation's server is given it; its id is the same in every try."""
    if (url := settings().smtp) is None:
        raise Transient("HOPFLEET_SMTP_URL is not set")
    server = smtp.server_of(url)
    address = emails.address(str(what["to"]))
    letter = Letter(str(what["subject"]), str(what.get("text") or ""), what.get("html"))
    message_id = f"call-{call.key}@{mails.host()}"
    return Post(server, write(letter, mails.sender_of(server), address, message_id, now()))


def handed_over(one: Ready, answer: smtp.Answer) -> Ended:
    """What a mail server's answer means."""
    output = {"said": answer.said} if answer.outcome == "accepted" else None
    return Ended(one.due, one.attempt_id, answer.outcome, answer.said, answer.code, output=output)


def answered(one: Ready, answer: http.Answer) -> Ended:
    """What a server's answer means."""
    after = retries.seconds_after(answer.headers.get("retry-after"), now())
    said, output = answer.said, None
    if answer.status is not None and answer.outcome != "unknown":
        text = answer.body.decode(errors="replace")
        said = said or text
        output = {
            "status": answer.status,
            "headers": {k: answer.headers[k] for k in _SHOWN_HEADERS if k in answer.headers},
            "body": _read(answer, text),
            "milliseconds": answer.milliseconds,
        }
    return Ended(
        one.due, one.attempt_id, answer.outcome, said, answer.status, answer.milliseconds, after,
        output,
    )  # fmt: skip


def _read(answer: http.Answer, text: str) -> Any:
    """JSON where it is some, else text; None for nothing."""
    if not answer.body:
        return None
    if not answer.cut and "json" in answer.headers.get("content-type", ""):
        try:
            return orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            return text
    return text


def plain(one: Ended) -> Ended:
    """One whose answer PostgreSQL cannot keep, without it."""
    return one._replace(said="", output={**one.output, "headers": {}, "body": None})


def record(tx: Tx, ended: Sequence[Ended]) -> None:
    """Write down what became of calls, and let those who wait for them go on."""
    veils = _veils(tx, {one.due.user_id for one in ended})
    told = [_veiled(one, veils[one.due.user_id]) for one in ended]
    calling.hold_runs(tx, {one.due.run_id for one in told if one.due.run_id is not None})
    calling.tried(tx, [_try(one) for one in told if one.attempt_id is not None])
    doubtful = [one.due.id for one in told if one.outcome == "unknown"]
    unknown = calling.unknown(tx, doubtful) if doubtful else {}
    turns = {one.due.id: _turn(one, unknown.get(one.due.id, 0)) for one in told}
    mine = calling.turn(tx, turns.values())
    late, over = [], []
    for one in told:
        due, turn = one.due, turns[one.due.id]
        if due.id not in mine:
            continue
        if one.outcome != "accepted":
            log().info(
                "call.failed", id=due.id, kind=due.kind, outcome=one.outcome, status=one.status,
                next=turn.state,
            )  # fmt: skip
        if due.run_id is None or due.path is None:
            continue
        if turn.state == "pending":
            late.append((due.run_id, due.path, _tries(one), turn.error or ""))
        else:
            over.append(_step(one, due.run_id, due.path, turn))
    if late:
        calling.put_off(tx, late)
    if over:
        runs.steps_ended(tx, over)


def _veils(tx: Tx, users: Iterable[UUID]) -> dict[UUID, Veil]:
    return {user: veil(secrets.opened(tx, user).values()) for user in users}


def _veiled(one: Ended, hide: Veil) -> Ended:
    output = one.output
    if output is not None:
        try:
            output = veiled(output, hide)
        except (TooDeep, RecursionError):
            output = {**output, "headers": {}, "body": hide(one.said)}
    return one._replace(said=hide(one.said)[:MOST_SAID], output=output)


def _tries(one: Ended) -> int:
    return one.due.tries + (one.attempt_id is not None)


def _try(one: Ended) -> Try:
    assert one.attempt_id is not None
    said = "" if one.outcome == "accepted" else one.said
    return Try(one.attempt_id, one.outcome, one.status, one.milliseconds, said)


def _turn(one: Ended, unknown: int) -> Turn:
    due = one.due
    if one.outcome in ("accepted", "cancelled"):
        word = "succeeded" if one.outcome == "accepted" else "cancelled"
        return Turn(due.id, due.attempts, "done", word)
    error = _error(one)
    if one.outcome == "unknown" and due.on_unknown != "retry":
        return _over(due, "unknown" if due.on_unknown == "ask" else "failed", one.outcome, error)
    if unknown >= sending.MOST_UNKNOWN and due.kind == "mail":
        return _over(due, "failed", one.outcome, error)  # a person would get it again and again
    if one.outcome != "refused":
        delay = retries.delay(
            max(1, _tries(one)), due.most_tries, due.retry_seconds, one.after, random.random()
        )
        if delay is not None:
            return _again(due, delay, error)
    return _over(due, "failed", one.outcome, error)


def _over(due: DueCall, word: str, outcome: str, error: str) -> Turn:
    """For good; a run's step says so itself, and what nobody waits for is a dead letter."""
    if due.run_id is not None:
        return Turn(due.id, due.attempts, "done", word, None, error)
    return Turn(due.id, due.attempts, "dead", None, f"{due.kind}_{outcome}", error)


def _again(due: DueCall, seconds: float, error: str) -> Turn:
    return Turn(due.id, due.attempts, "pending", None, None, error, seconds)


def _error(one: Ended) -> str:
    said = " ".join(one.said.split())[:_MOST_ERROR]
    if one.status is None or one.due.kind == "mail":
        return said
    return f"the server answered {one.status}" + (f": {said}" if said else "")


_MADE: dict[str, Callable[[DueCall, dict[str, Any]], http.Request | Post]] = {
    "http": request,
    "mail": mail,
}
_STEPS = {"succeeded": ("done", "succeeded"), "cancelled": ("done", "cancelled"),
          "failed": ("dead", "failed"), "unknown": ("dead", "unknown")}  # fmt: skip


def _step(one: Ended, run_id: int, path: str, turn: Turn) -> StepEnd:
    state, outcome = _STEPS[turn.outcome or "failed"]
    return StepEnd(run_id, path, state, outcome, one.output, turn.error, max(1, _tries(one)))
