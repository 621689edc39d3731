"""Lists of texts arrive as they are, whatever stands in them."""

import psycopg
import pytest

from db.connection import Tx
from db.texts import Texts


@pytest.fixture
def session(tx: Tx) -> Tx:
    tx.adapters.register_dumper(list, Texts)
    return tx


NASTY = [
    "",
    "NULL",
    "null",
    "{}",
    "a,b",
    'say "so"',
    "\\",
    '\\"',
    '","',
    "ö 漢\u2003",
    " x ",
    "a\nb",
]


@pytest.mark.parametrize(
    "texts", [[], NASTY, *([one] for one in NASTY), [*NASTY, None], [None, None]]
)
def test_texts_come_back_as_they_were(session: Tx, texts: list[str | None]) -> None:
    row = session.execute("SELECT %s::text[], %s::varchar[]", (texts, texts)).fetchone()

    assert row == (texts, texts)


def test_other_lists_are_left_to_psycopg(session: Tx) -> None:
    row = session.execute("SELECT %s::bigint[], %s::text[]", ([1, 2], [["a"], ["b"]])).fetchone()

    assert row == ([1, 2], [["a"], ["b"]])


def test_nul_is_refused_and_not_cut_off(session: Tx) -> None:
    with pytest.raises(psycopg.DataError):
        session.execute("SELECT %s::text[]", (["a\0b"],))
