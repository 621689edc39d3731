"""Rows compiled for the doors: whatever stands in the tables, a link comes out."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ingest.answers import gif, redirect, without_ack
from ingest.links import compile_key, compiler
from tests.make import batch_id

COMPILE = compiler("https://installation.example/", False, frozenset({"own.example"}))

TEXT = st.one_of(
    st.none(),
    st.text(max_size=80),
    st.sampled_from(["https://a.example/{click_id}", "https://own.example/r/x", "http://[::1]/"]),
    st.text(max_size=40).map(lambda text: f"https://{text}"),
    st.text(max_size=40).map(lambda text: f"https://a.example/{text}?{text}#{text}"),
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner),
    max_leaves=5,
)
SETTINGS = st.one_of(
    JSON,
    st.fixed_dictionaries(
        {},
        optional={
            "fallback_url": st.one_of(TEXT, JSON),
            "pass_through": JSON,
            "referrer_policy": st.one_of(JSON, st.just("origin"), st.just("x\r\nSet-Cookie: a=b")),
            "respect_gpc": JSON,
        },
    ),
)
STATUS = st.one_of(
    st.sampled_from(["active", "paused", "completed", "draft", "deleted"]), st.text(max_size=50)
)


def row(**more: Any) -> dict[str, Any]:
    usual = {
        "tracking_id": "t", "campaign_id": "c", "user_id": "u", "status": "active",
        "affiliate_link": None, "settings": None, "user_status": "active",
        "account_fallback_url": None,
    }  # fmt: skip
    return usual | more


@given(STATUS, TEXT, SETTINGS, STATUS, TEXT, st.dictionaries(st.text(), st.text(), max_size=3))
def test_any_row_becomes_a_link_whose_headers_are_headers(
    status: str, affiliate: Any, settings: Any, user_status: str, account: Any,
    query: dict[str, str],
) -> None:  # fmt: skip
    link = COMPILE(
        row(status=status, affiliate_link=affiliate, settings=settings, user_status=user_status,
            account_fallback_url=account)
    )  # fmt: skip

    lines = link.headers
    if link.template is not None:
        where = link.template.location("id", "t", "c", "s", query, True)
        assert where.startswith((b"http://", b"https://"))
        lines += b"Location: " + where + b"\r\n"
    assert lines.isascii()
    assert all(b": " in line for line in lines.split(b"\r\n")[:-1])
    assert b"Set-Cookie" not in lines


def test_the_installations_fallback_is_the_last_resort() -> None:
    template = COMPILE(row(status="draft")).template

    assert template is not None
    assert template.origin == "https://installation.example"


def test_a_key_knows_its_scopes_and_whose_it_is() -> None:
    key = compile_key({"digest": "d", "user_id": "u", "scopes": ["a", "b"], "user_status": "trial"})

    assert (key.user_id, key.scopes, key.user_status) == ("u", frozenset({"a", "b"}), "trial")


def test_an_answer_without_its_promise_is_otherwise_the_same() -> None:
    click = batch_id()
    for promised, bare in (
        (redirect(b"https://a.example/", b"A: b\r\n", click),
         redirect(b"https://a.example/", b"A: b\r\n", None)),
        (gif(click), gif(None)),
    ):  # fmt: skip
        assert click.encode() in promised
        assert without_ack(promised) == bare
        assert without_ack(bare) == bare


def test_a_body_that_looks_like_a_promise_stays_as_it_is() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\nX-Click-Id: 1\r\n\r\n"

    assert without_ack(answer) == answer
