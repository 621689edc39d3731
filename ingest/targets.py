"""What stands in a request line: the path as text, in the form that servers are asked."""

from urllib.parse import unquote


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
