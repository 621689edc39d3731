"""What comes from outside is shown without the secrets that it repeats."""

import base64
from urllib.parse import quote, quote_plus

import pytest

from rules.veils import TooDeep, veil, veiled

SECRET = 'sk/live "7"+ü'


@pytest.mark.parametrize(
    "spelling",
    [SECRET, quote(SECRET, safe=""), quote_plus(SECRET), 'sk/live \\"7\\"+\\u00fc',
     base64.b64encode(SECRET.encode()).decode().rstrip("=")],
    ids=["plain", "quoted", "form", "json", "base64"],
)  # fmt: skip
def test_a_secret_is_hidden_however_it_is_spelled(spelling: str) -> None:
    assert veil([SECRET])(f"before {spelling} after") == "before *** after"


def test_a_secret_that_begins_like_another_leaves_no_rest() -> None:
    assert veil(["token", "token-of-more"])("token-of-more") == "***"


def test_an_empty_or_tiny_secret_hides_nothing() -> None:
    assert veil(["", "ab"])("about ab") == "about ab"


def test_json_is_hidden_in_names_and_texts_at_every_depth() -> None:
    told = {SECRET: [1, True, None, {"a": f"x{SECRET}"}], "big": 1e300}

    assert veiled(told, veil([SECRET])) == {"***": [1, True, None, {"a": "x***"}], "big": "1e+300"}


def test_json_that_is_nested_too_deeply_is_refused() -> None:
    told: list[object] = []
    for _ in range(100):
        told = [told]

    with pytest.raises(TooDeep):
        veiled(told, veil([]))
