"""Answers as bytes: the status line, the Date, the length; what every door's answer is made of."""

from email.utils import formatdate
from http import HTTPStatus

_STATUS_LINES = {
    int(status): f"HTTP/1.1 {int(status)} {status.phrase}\r\n".encode() for status in HTTPStatus
}
_DEFAULT_LINE = b"HTTP/1.1 500 Internal Server Error\r\n"


class Date:
    """The Date header of this second; one for the process, renewed by each server's tick."""

    line = b""

    @classmethod
    def renew(cls) -> None:
        cls.line = f"Date: {formatdate(usegmt=True)}\r\n".encode()


Date.renew()


def response(status: int, headers: bytes = b"", body: bytes = b"") -> bytes:
    """A whole answer; `headers` are complete lines, each closed by CRLF."""
    return b"%b%b%bContent-Length: %d\r\n\r\n%b" % (
        _STATUS_LINES.get(status, _DEFAULT_LINE),
        Date.line,
        headers,
        len(body),
        body,
    )


def text(status: int, sentence: str, headers: bytes = b"") -> bytes:
    """A short plain-text answer for a person or a developer."""
    return response(
        status, headers + b"Content-Type: text/plain; charset=utf-8\r\n", sentence.encode() + b"\n"
    )
