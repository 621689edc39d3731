"""Feeds made to harm: nothing is opened, nothing grows, and the reason is told."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from integrations.feeds import Feed, FeedRefused
from integrations.marketplace import sites
from tests.feed_making import DATED, Endless, catalog, refusal_of, site, sites_of

LAUGHS = "".join(
    f'<!ENTITY {name} "{f"&{before};" * 10}">'
    for before, name in zip("abcdefghi", "bcdefghij", strict=True)
)
PIECE = b"lorem ipsum " * 5_000
ALLOWED_MB = 60


@contextmanager
def listening() -> Iterator[socket.socket]:
    """A server that nobody should call."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def was_called(server: socket.socket) -> bool:
    """Whether anybody did."""
    try:
        server.accept()[0].close()
    except BlockingIOError:
        return False
    return True


@pytest.mark.parametrize("use", ["&j;", ""])
def test_a_billion_laughs_are_refused(use: str) -> None:
    head = f'<!DOCTYPE Catalog [<!ENTITY a "ha">{LAUGHS}]>'

    refused = refusal_of(catalog(site(Title=use), head=head))

    assert refused.reason == "damaged"
    assert "entity" in str(refused)


def test_many_laughs_of_one_size_are_refused() -> None:
    head = f'<!DOCTYPE Catalog [<!ENTITY a "{"ha" * 100}">]>'

    refused = refusal_of(catalog(site(Title="&a;" * 50_000), head=head))

    assert refused.reason == "damaged"


@pytest.mark.parametrize(
    "declared",
    [
        '<!ENTITY x SYSTEM "{file}">',
        '<!ENTITY x PUBLIC "-//x" "{url}">',
        '<!ENTITY % p SYSTEM "{url}"> %p;',
        '<!ENTITY % p SYSTEM "{file}"> %p;',
        "<!ENTITY % p \"<!ENTITY x SYSTEM '{file}'>\"> %p;",
    ],
)
def test_no_file_and_no_address_is_ever_opened(declared: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("<!ENTITY x 'hidden'>hidden")
    with listening() as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/x.dtd"
        told = declared.format(file=secret.as_uri(), url=url)
        head = f'<!DOCTYPE Catalog SYSTEM "{url}" [{told}]>'
        (found,) = sites_of(catalog(site(Title="a&x;b"), head=head))

        assert not was_called(server)
    assert found.elements["Title"] in ("ab", "a&x;b")


@pytest.mark.parametrize(
    "text",
    [
        catalog("<a>" * 200_000),
        catalog("<Site>" + "<a>" * 200_000),
        catalog("<Category>" * 200_000),
        catalog("".join(f"<n{number}/>" for number in range(20_000))),
        catalog("".join(f"<Site a=''><n{number}>x</n{number}></Site>" for number in range(20_000))),
        catalog(*(f"<a b{number}=''/>" for number in range(20_000))),
        "<!-- " + "x" * (2 << 20) + " -->" + catalog(site()),
        catalog(site(), f"<a b='{'x' * (5 << 20)}'/>"),
        catalog(site(), f"<!-- {'x' * (5 << 20)} -->"),
        catalog(site(Title="x" * (9 << 20))),
        catalog(site(Title="<b>x</b>" * (1 << 18))),
        catalog(name="x" * (9 << 20)),
        f"<!DOCTYPE Catalog [<!ATTLIST a b CDATA '{'x' * 1000}'>]>" + catalog(site()),
    ],
    ids=[
        *("depth", "depth in a site", "categories", "names", "names in sites", "attributes"),
        *("prolog", "attribute", "comment", "title", "pieces of a title", "category", "default"),
    ],
)
def test_what_would_grow_without_end_is_refused(text: str) -> None:
    assert refusal_of(text).reason == "damaged"


def test_a_feed_that_never_comes_to_a_product_is_refused() -> None:
    padding = "<a>" + "x" * (1 << 20) + "</a>"

    refused = refusal_of(catalog(site(), padding * 65, site()))

    assert "without a product" in str(refused)


def endless(shape: str, millions: int) -> Iterator[bytes]:
    """A feed of so many million bytes, most of them in one place."""
    before, after = {
        "title": ("<Site><Id>A</Id><Title>", "</Title></Site>"),
        "attribute": ("<Site a='", "'/>"),
        "comment": ("<!--", "-->"),
        "section": ("<Site><Id>A</Id><Title><![CDATA[", "]]></Title></Site>"),
        "name": ("</Category><Category><Name>", "</Name>"),
        "beside": ("", ""),
    }[shape]
    whole = catalog("@")
    yield (whole[: whole.index("@")] + site() + before).encode()
    for _ in range(millions * 1_000_000 // len(PIECE)):
        yield PIECE
    yield (after + whole[whole.index("@") + 1 :]).encode()


def swallow(shape: str, millions: int) -> str:
    """Read such a feed in this process; returns the reason and by how many MB it has grown."""
    import resource  # not on every system that tests run on

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        for _ in sites(Feed(Endless(endless(shape, millions)), "x", DATED, None, 1 << 40)):
            pass
        reason = "none"
    except FeedRefused as refused:
        reason = refused.reason
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return f"{reason} {grown // 1024}"


def swallowed(shape: str, millions: int) -> tuple[str, int]:
    """The same in a process of its own, whose memory nothing else has touched."""
    code = f"from {__name__} import swallow; print(swallow({shape!r}, {millions}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    reason, grown = done.stdout.split()
    return reason, int(grown)


@pytest.mark.parametrize("shape", ["title", "attribute", "comment", "section", "name", "beside"])
def test_a_gigabyte_in_one_place_takes_no_memory(shape: str) -> None:
    reason, grown_mb = swallowed(shape, 1_000)

    assert reason == "damaged"
    assert grown_mb < ALLOWED_MB


@pytest.mark.long
def test_ten_gigabytes_in_one_title_take_no_memory() -> None:
    reason, grown_mb = swallowed("title", 10_000)

    assert reason == "damaged"
    assert grown_mb < ALLOWED_MB


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_million_products_take_no_memory() -> None:
    """Ten gigabytes of products are as long as one: what was read is let go."""
    code = f"from {__name__} import many; print(many(1_000_000))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seen, grown_mb = map(int, done.stdout.split())

    assert seen == 1_000_000
    assert grown_mb < ALLOWED_MB


def many(count: int) -> str:
    """Read so many products in this process; how many there were, and MB that it has grown."""
    import resource

    def made() -> Iterator[bytes]:
        whole = catalog("@")
        yield whole[: whole.index("@")].encode()
        for number in range(count):
            yield site(f"S{number}", Title=f"Product {number} &amp; more", Gravity="1.5").encode()
        yield whole[whole.index("@") + 1 :].encode()

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seen = sum(1 for _ in sites(Feed(Endless(made()), "x", DATED, None, 1 << 40)))
    return f"{seen} {(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024}"
