"""Encodings: what a feed says it is in, what it is in, and what was meant."""

import codecs

import pytest

from tests.feed_making import catalog, refusal_of, site, sites_of

TITLE = "Voyelles — «français» à l\u2019œil 10 €"


def declared(encoding: str, title: str = TITLE) -> str:
    head = f'<?xml version="1.0" encoding="{encoding}"?>\n'
    return catalog(site(Title=title) * 3, head=head, name=f"Né {title}")


def title_of(data: bytes) -> str:
    """The title of each of its sites: the first goes the parser's way, the others the short."""
    found = sites_of(data)
    (title,) = {one.elements["Title"] for one in found}
    assert {one.path for one in found} == {(f"Né {title}",)}
    return title


@pytest.mark.parametrize(
    ("encoding", "codec"),
    [
        ("UTF-8", "utf-8"),
        ("utf8", "utf-8"),
        ("ISO-8859-1", "cp1252"),  # as importers find it: called so, typed on Windows
        ("latin1", "cp1252"),
        ("windows-1252", "cp1252"),
        ("US-ASCII", "cp1252"),
        ("UTF-8", "cp1252"),
        ("ISO-8859-1", "utf-8-sig"),  # a mark says more than a word
        ("UTF-16", "utf-16"),
        ("UTF-16", "utf-16-le"),
        ("UTF-16", "utf-16-be"),
        ("UTF-8", "utf-16"),
        ("UTF-16", "utf-8"),
        ("UTF-32", "utf-32"),
    ],
)
def test_a_feed_is_read_in_the_encoding_that_it_is_in(encoding: str, codec: str) -> None:
    assert title_of(declared(encoding).encode(codec)) == TITLE


@pytest.mark.parametrize(("encoding", "title"), [("ISO-8859-15", "Œ €"), ("windows-1251", "Чай")])
def test_other_alphabets_are_read_as_declared(encoding: str, title: str) -> None:
    name = title if encoding == "windows-1251" else f"Né {title}"
    text = declared(encoding, title).replace(f"Né {title}", name)

    assert sites_of(text.encode(encoding))[0].elements["Title"] == title


def test_without_a_declaration_it_is_utf_8_or_windows_1252() -> None:
    text = catalog(site(Title=TITLE) * 2, name=f"Né {TITLE}")

    assert title_of(text.encode()) == TITLE
    assert title_of(text.encode("cp1252")) == TITLE
    assert title_of(codecs.BOM_UTF8 + text.encode()) == TITLE


def test_one_byte_of_windows_does_not_spoil_a_feed_in_utf_8() -> None:
    data = declared("UTF-8", "10 é €").encode().replace(b"10 ", b"10\x96\x80 ")

    assert title_of(data) == "10\u2013€ é €"


@pytest.mark.parametrize("comment", ["", "<!-- the parser's way -->"])
def test_numbers_of_windows_characters_mean_what_they_mean_there(comment: str) -> None:
    (found,) = sites_of(catalog(site(Title=f"A &#150; B &#x99; &#233;{comment}")))

    assert found.elements["Title"] == "A \u2013 B ™ é"


@pytest.mark.parametrize("encoding", ["EBCDIC-FANTASY", "rot13", "hex", "utf-7", "cp037", "idna"])
def test_an_encoding_that_nobody_knows_is_damage(encoding: str) -> None:
    refused = refusal_of(declared(encoding).encode())

    assert refused.reason == "damaged"
    assert "encoding" in str(refused)


@pytest.mark.parametrize(
    "data",
    [
        declared("UTF-16").encode("utf-16")[:-1],
        declared("UTF-16").encode("utf-16-le") + b"\x00\xdc",
        declared("windows-1251", "x").replace("é", "e").encode() + b"\x98",
    ],
    ids=["half", "surrogate", "undefined"],
)
def test_bytes_that_an_encoding_has_not_are_damage(data: bytes) -> None:
    assert refusal_of(data).reason == "damaged"


def test_characters_at_the_edges_of_pieces_stay_whole() -> None:
    """Pieces are 64 KiB long: some character lies across each edge, whatever its length."""
    text = "\r\n".join(["é", "—", "😀", "ab", "\r"] * 9_000)
    found, *_ = sites_of(declared("UTF-8", text))

    assert found.elements["Title"] == text.replace("\r\n", "\n").replace("\r", "\n")
