"""Actions outside: what a step asks of others is rendered, sealed, and owed as a call."""

import threading
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import orjson

from base.errors import Permanent
from db import calls
from db.calls import NewCall
from db.connection import Tx
from db.run_work import Run
from rules import interpolation
from schemas.actions import Step
from workers.workflows.scope import Scope

# That calls were owed, in a transaction that may have been rolled back since.
asked = threading.Event()

_TRIES = 8
# A request may end at a hook of ours: there its workflow takes this for its depth.
_DEPTH = "Hopfleet-Depth"
_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"


class Request(NamedTuple):
    """What is to be sent, and by which lane."""

    kind: str
    lane: str
    what: dict[str, Any]


def owe(tx: Tx, run: Run, step: Step, path: str, key: str, scope: Scope) -> dict[str, Any] | None:
    """Write the call that a step asks for; returns its input as it may be shown.

    None when a call with that key, of the run that this one replays, is on its way.
    """
    args = step.args.model_dump(by_alias=True, exclude_none=True)
    values = scope.values(interpolation.names(args) | _signing(args))
    request = _MADE[step.action](interpolation.render(args, values), scope)
    shown: dict[str, Any] = interpolation.render(args, scope.hidden(values))
    owed = calls.owe(
        tx,
        NewCall(
            kind=request.kind, lane=request.lane, user_id=run.user_id, run_id=run.id, path=path,
            key=key, request=request.what, on_unknown=args.get("on_unknown", "retry"),
            most_tries=step.retry.attempts if step.retry is not None else _TRIES,
            timeout_seconds=args.get("timeout_seconds", 15.0),
            retry_seconds=step.retry.seconds if step.retry is not None else None,
        ),
    )  # fmt: skip
    asked.set()
    return shown if owed else None


def _signing(args: dict[str, Any]) -> frozenset[str]:
    return frozenset({"secrets"}) if args.get("sign") else frozenset()


def _http(args: dict[str, Any], scope: Scope) -> Request:
    url = str(args["url"])
    try:
        split = urlsplit(url)
        host = split.hostname
        # Servers on other ports of a host are others: one that is down says nothing of them.
        port = f":{split.port}" if split.port else ""
    except ValueError:
        host, port = None, ""
    if not host:
        raise Permanent("its url is no web address")
    headers = {str(name): str(value) for name, value in (args.get("headers") or {}).items()}
    headers = {name: told for name, told in headers.items() if name.lower() != _DEPTH.lower()}
    headers[_DEPTH] = str(scope.run.depth)
    named = {name.lower() for name in headers}
    body = ""
    if "json" in args:
        body = orjson.dumps(args["json"], default=str).decode()
        headers |= {} if "content-type" in named else {"Content-Type": _JSON}
    elif "form" in args:
        body = urlencode({name: str(value) for name, value in args["form"].items()})
        headers |= {} if "content-type" in named else {"Content-Type": _FORM}
    elif "body" in args:
        body = str(args["body"])
    method = args.get("method") or ("POST" if body else "GET")
    what = {
        "method": method, "url": url, "headers": headers, "body": body,
        "sign": _secret(args.get("sign"), scope),
    }  # fmt: skip
    return Request("http", host.lower() + port, what)


def _secret(sign: Any, scope: Scope) -> str | None:
    """The secret to sign with: the named one; `true` means the one that is called `webhook`."""
    if not sign:
        return None
    name = "webhook" if sign is True else str(sign)
    if (found := scope.secrets().get(name)) is None:
        raise Permanent(
            f"it is to be signed with the secret `{name}`, which does not exist:"
            f" add it with `hopfleet workflows secrets set {name}`"
        )
    return found


def _mail(args: dict[str, Any], scope: Scope) -> Request:
    names = ("to", "subject", "text", "html")
    what = {name: str(args[name]) for name in names if args.get(name) is not None}
    return Request("mail", "", {"html": None, **what})


def _notify(args: dict[str, Any], scope: Scope) -> Request:
    subject = str(args.get("subject") or "A message from your workflow")
    text = str(args.get("text") or "")
    if args.get("channel", "mail") == "mail":
        return _mail({"to": scope.user["email"], "subject": subject, "text": text}, scope)
    told = {"subject": subject, "text": text, "run": str(scope.run.id)}
    return _http({"url": args["url"], "method": "POST", "json": told}, scope)


_MADE: dict[str, Callable[[dict[str, Any], Scope], Request]] = {
    "http_request": _http,
    "send_email": _mail,
    "notify": _notify,
}
ACTIONS = frozenset(_MADE)
