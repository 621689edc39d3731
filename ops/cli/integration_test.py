"""`hopfleet integrations test`: a notification as ClickBank's test button sends it, to our door."""

import base64
import hashlib
import os
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import httpx
import orjson
import typer
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from base.clock import now, sleep, steady
from base.errors import HopfleetError, Misused, Transient
from base.settings import settings
from db import webhooks
from ops.cli import integration_settings as told
from ops.cli import lookup, output
from ops.cli.database import transaction

WAIT_SECONDS = 15.0
_POLL_SECONDS = 0.1
_BLOCK = 16


def try_out(
    integration: Annotated[
        str, typer.Argument(metavar="INTEGRATION", help="Its id, or the key in its URL.")
    ],
    json: output.Json = False,
) -> None:
    """Send an encrypted TEST to our own door, as ClickBank does, and say what became of it."""
    with transaction() as tx:
        row = lookup.integration(tx, integration)
    if row.network != "clickbank":
        raise Misused("Only ClickBank's integrations can be tested: send others a postback.")
    if row.disabled_at is not None:
        raise Misused("It is disabled: `hopfleet integrations enable` takes its reports again.")
    secrets = told.opened(row.sealed)
    if not {"key", "secret"} <= set(secrets):
        raise Misused("Its secrets cannot be opened: name them anew with `integrations rotate`.")
    body = _body(secrets["secret"], (row.settings or {}).get("nickname") or "testing")
    began = now()
    milliseconds = _post(f"{settings().url}/webhooks/clickbank/{secrets['key']}", body)
    found = _verdict(row.user_id, body, began)
    outcome = found["outcome"] or found["reason"]
    if json:
        output.print_json({"id": row.id, "webhook_id": str(found["id"]), "state": found["state"],
                           "outcome": outcome, "answered_ms": milliseconds,
                           "passed": outcome == "test"})  # fmt: skip
    elif outcome == "test":
        output.say(
            f"The door took it in {milliseconds} ms, and it could be decrypted: all is well."
        )
    if outcome != "test":
        raise HopfleetError(
            f"The door took it, but then it was {outcome}: `hopfleet webhooks show {found['id']}`."
        )


def _body(secret: str, nickname: str) -> bytes:
    """The request's body: a connection test of version 8."""
    text = orjson.dumps(
        {
            "transactionTime": now().strftime("%Y%m%dT%H%M%S%z"),
            "receipt": "********", "transactionType": "TEST", "vendor": nickname, "role": "VENDOR",
            "totalAccountAmount": 1.0, "paymentMethod": "TEST", "totalOrderAmount": 1.0,
            "currency": "USD", "lineItems": [], "version": 8.0, "attemptCount": 1,
        }
    )  # fmt: skip
    iv = os.urandom(_BLOCK)
    key = hashlib.sha1(secret.encode()).hexdigest()[:32].encode()  # noqa: S324 - the network's way
    cipher = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    missing = _BLOCK - len(text) % _BLOCK
    hidden = cipher.update(text + bytes([missing]) * missing) + cipher.finalize()
    return orjson.dumps(
        {"notification": base64.b64encode(hidden).decode(), "iv": base64.b64encode(iv).decode()}
    )


def _post(url: str, body: bytes) -> float:
    """How many milliseconds the door took."""
    where = f"{settings().url}/webhooks/clickbank/…"  # the key is a secret
    began = steady()
    try:
        answer = httpx.post(url, content=body, headers={"Content-Type": "application/json"},
                            timeout=WAIT_SECONDS)  # fmt: skip
    except httpx.HTTPError as error:
        raise Transient(
            f"Nobody answers at {where} ({type(error).__name__}): start the doors, or set"
            " HOPFLEET_PUBLIC_URL."
        ) from None
    if answer.status_code != 204:
        raise HopfleetError(
            f"{where} answered {answer.status_code} instead of 204: is HOPFLEET_PUBLIC_URL the"
            " address of these doors?"
        )
    return round((steady() - began) * 1000, 1)


def _verdict(user_id: UUID, body: bytes, began: datetime) -> dict[str, Any]:
    """The message's row, once a worker has taken it in."""
    end = steady() + WAIT_SECONDS
    while steady() < end:
        with transaction() as tx:
            found = webhooks.find_body(tx, user_id, body, began)
        if found is not None and found["state"] in ("done", "dead"):
            return found
        sleep(_POLL_SECONDS)
    raise Transient(
        "The door took it, but no worker has: `hopfleet queues` shows whether one runs for"
        " webhooks."
    )
