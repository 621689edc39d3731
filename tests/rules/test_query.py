"""Query strings: fast, bounded, and never an error."""

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.query import parse


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (b"", {}),
        (b"a=1&b=2", {"a": "1", "b": "2"}),
        (b"a=1&a=2", {"a": "1"}),
        (b"a", {"a": ""}),
        (b"=x&&&", {}),
        (b"a=b=c", {"a": "b=c"}),
        (b"a=x+y%2B", {"a": "x y+"}),
        (b"%61=%C3%A4", {"a": "\u00e4"}),
        ("a=\u00e4".encode(), {"a": "\u00e4"}),
        (b"a=%ff&b=\xff", {"a": "\ufffd", "b": "\ufffd"}),
        (b"a=%zz%", {"a": "%zz%"}),
        (b"a=x%00y%0d%0a%1b[31m", {"a": "xy[31m"}),
        (b"a%00=1", {"a": "1"}),
        (b"a=1;b=2", {"a": "1;b=2"}),
        (b"a=\xed\xa0\x80", {"a": "\ufffd\ufffd\ufffd"}),
    ],
)
def test_parameters_are_read_as_browsers_write_them(query: bytes, found: dict[str, str]) -> None:
    assert parse(query) == found


def test_values_are_cut_and_long_names_dropped() -> None:
    found = parse(b"a=" + b"x" * 5000 + b"&" + b"n" * 101 + b"=1&b=2")

    assert found == {"a": "x" * 1000, "b": "2"}


def test_parameters_past_the_hundredth_are_dropped() -> None:
    found = parse(b"&".join(b"p%d=1" % n for n in range(10_000)))

    assert len(found) == 100
    assert "p99" in found


@given(st.binary(max_size=300) | st.text(alphabet="%&=+ab0\x00\u00e4;").map(str.encode))
def test_parsing_never_raises_and_gives_clean_text(query: bytes) -> None:
    found = parse(query)

    for name, value in found.items():
        assert name
        (name + value).encode()
        assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in name + value)


@given(st.dictionaries(st.text("abc", min_size=1, max_size=9), st.text("xyz &=%+#"), max_size=9))
def test_what_was_encoded_comes_back(given_: dict[str, str]) -> None:
    assert parse(urlencode(given_).encode()) == given_
