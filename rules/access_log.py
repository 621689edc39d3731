"""Access logs: one line of a web server's combined log becomes what a visitor asked for."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from base.errors import Refused
from rules.addresses import parse
from rules.text import clean

MAX_LINE_CHARACTERS = 65_536

# Apache and nginx: host ident user [time] "request" status bytes "referrer" "user agent" …
# Inside quotes a quote is escaped by a backslash (Apache) or written \x22 (nginx).
_QUOTED = r'"((?:[^"\\]|\\.)*)"'
_LINE = re.compile(
    r"(?:\S+:\d+ )?"  # a virtual host in front (Apache's vhost_combined)
    r"(\S+) \S+ (?:\S+|.*?) "
    r"\[(\d{2})/([A-Za-z]{3})/(\d{4}):(\d{2}):(\d{2}):(\d{2}) ([+-]\d{4})\] "
    rf"{_QUOTED} (\d{{3}}|-) (?:\d+|-)"
    rf"(?: {_QUOTED})?(?: {_QUOTED})?",
    re.ASCII,
)
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}
_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{2}|.)", re.DOTALL)
_SIMPLE = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "v": "\v", "f": "\f"}


@dataclass(frozen=True, slots=True)
class Visit:
    """One line: when, who, and what was asked; `-` fields are None."""

    time: datetime  # aware, UTC
    address: str
    method: str
    target: str  # path and query as the client sent them; absolute forms lose scheme and host
    status: int | None
    referrer: str | None
    user_agent: str | None


def read(line: str) -> Visit:
    """The visit in one line of a common or combined log; `Refused` says what is wrong with it."""
    if len(line) > MAX_LINE_CHARACTERS:
        raise Refused("The line is longer than 65,536 characters.")
    found = _LINE.match(line.strip())
    if found is None:
        raise Refused("The line is not in the common or combined log format.")
    address, *when, request, status, referrer, agent = found.groups()
    method, target = _request(_unescaped(request))
    return Visit(
        _time(*when),
        _address(address),
        method,
        target,
        None if status == "-" else int(status),
        _field(referrer),
        _field(agent),
    )


def _time(
    day: str, month: str, year: str, hour: str, minute: str, second: str, zone: str
) -> datetime:
    number = _MONTHS.get(month.lower())
    if number is None:
        raise Refused(f"The month {month} is not an English one.")
    try:
        text = f"{year}-{number:02d}-{day}T{hour}:{minute}:{second}{zone}"
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Refused("The time of the line does not exist.") from None


def _address(text: str) -> str:
    address = parse(text.strip("[]"))
    if address is None:
        raise Refused("The line does not start with an address; host names are not looked up.")
    return str(address)


def _request(request: str) -> tuple[str, str]:
    """Method and target; scanners send all sorts of bytes instead of a request."""
    parts = request.split(" ")
    if len(parts) not in (2, 3) or not parts[0].isalpha() or not parts[1]:
        raise Refused("The request of the line is not an HTTP request.")
    target = parts[1]
    if target.lower().startswith(("http://", "https://")):
        target = "/" + target.split("/", 3)[3] if target.count("/") >= 3 else "/"
    return parts[0].upper(), target


def _field(text: str | None) -> str | None:
    if text is None or text in ("", "-"):
        return None
    return clean(_unescaped(text), len(text)) or None


def _unescaped(text: str) -> str:
    """Undo the server's escapes; bytes written as \\xHH are read as UTF-8."""
    if "\\" not in text:
        return text
    parts: list[bytes] = []
    end = 0
    for escape in _ESCAPE.finditer(text):
        parts.append(text[end : escape.start()].encode("utf-8", "replace"))
        code = escape[1]
        is_byte = len(code) == 3
        parts.append(
            bytes.fromhex(code[1:])
            if is_byte
            else _SIMPLE.get(code, code).encode("utf-8", "replace")
        )
        end = escape.end()
    parts.append(text[end:].encode("utf-8", "replace"))
    return b"".join(parts).decode("utf-8", "replace")
