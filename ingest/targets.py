"""What stands in a request line: the path as text, in the form that servers are asked."""

import re
from urllib.parse import unquote

_MAY_HAVE_BODY = re.compile(rb"content-length|transfer-encoding|upgrade", re.IGNORECASE)
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")


def segment(rest: bytes) -> str:
    """The rest of the path as text; percent-encoding is the exception."""
    text = rest.decode("utf-8", "replace")
    return unquote(text) if "%" in text else text


def origin_form(target: bytes) -> bytes:
    """`/path?query` of an absolute-form target, as proxies send it; whose host it names is all one.

    Anything else stays as it is: no door has such a name.
    """
    _, absolute, rest = target.partition(b"://")
    return b"/" + rest.partition(b"/")[2] if absolute else target


def encoded_lines(data: bytes) -> bytes:
    """Requests whose first lines hold bytes that ASCII does not: these percent-encoded.

    Scripts send `?source=café` as it is; the parser, to the letter of the standard, would
    refuse the visitor. Behind a request with a body nothing is touched.
    """
    done = []
    while data:
        head, blank, rest = data.partition(b"\r\n\r\n")
        line, end, headers = head.partition(b"\r\n")
        done += [
            _BEYOND_ASCII.sub(lambda found: b"%%%02X" % found[0][0], line),
            end,
            headers,
            blank,
        ]
        if _MAY_HAVE_BODY.search(headers):
            done.append(rest)
            break
        data = rest
    return b"".join(done)
