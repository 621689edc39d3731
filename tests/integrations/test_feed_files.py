"""A feed as a file: of any kind, whole to its checksum, and never larger than it may be."""

import gzip
import io
import os
import struct
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from base.settings import settings
from integrations.feeds import FeedRefused, opened
from integrations.marketplace import sites
from tests.feed_making import catalog, site

TEXT = catalog(*(site(f"S{number}", Title=f"Shop {number}") for number in range(500))).encode()
MADE = (2026, 3, 1, 5, 0, 0)


def zipped(
    members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED, *, forced_64: bool = False
) -> bytes:
    """An archive of these files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, data in members.items():
            member = zipfile.ZipInfo(name, MADE)
            member.compress_type = compression
            with archive.open(member, "w", force_zip64=forced_64) as file:
                file.write(data)
    return out.getvalue()


def count(path: Path, data: bytes) -> int:
    """How many sites a file of these bytes has."""
    path.write_bytes(data)
    with opened(path) as feed:
        return sum(1 for _ in sites(feed))


def refused(path: Path, data: bytes) -> FeedRefused:
    """Why a file of these bytes is none."""
    with pytest.raises(FeedRefused) as found:
        count(path, data)
    return found.value


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "feed.bin"


@pytest.mark.parametrize(
    "pack",
    [
        lambda: TEXT,
        lambda: zipped({"marketplace_feed_v2.xml": TEXT, "marketplace_feed_v2.dtd": b"x"}),
        lambda: zipped({"feed.XML": TEXT}, zipfile.ZIP_STORED),
        lambda: zipped({"a/feed.xml": TEXT}, forced_64=True),
        lambda: zipped({"old.xml": b"<Catalog/>", "new.xml": TEXT, "big.txt": TEXT * 2}),
        lambda: gzip.compress(TEXT),
    ],
    ids=["plain", "zip", "stored", "zip64", "several", "gzip"],
)
def test_a_feed_is_read_whatever_it_is_packed_in(file: Path, pack: Callable[[], bytes]) -> None:
    assert count(file, pack()) == 500


def test_a_feed_tells_its_name_date_and_size(file: Path) -> None:
    file.write_bytes(zipped({"v2.xml": TEXT}))
    with opened(file) as feed:
        assert (feed.name, feed.size, feed.at) == ("v2.xml", len(TEXT), 0)
        assert feed.dated == datetime(*MADE, tzinfo=UTC)
        assert feed.read(100) == TEXT[:100]
        assert feed.at == 100

    file.write_bytes(TEXT)
    os.utime(file, (1_700_000_000, 1_700_000_000))
    with opened(file) as feed:
        assert (feed.name, feed.size) == ("feed.bin", len(TEXT))
        assert feed.dated == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


@pytest.mark.parametrize("hundredths", range(0, 100, 7))
def test_an_archive_that_is_cut_is_damaged(file: Path, hundredths: int) -> None:
    for whole in (zipped({"feed.xml": TEXT}), gzip.compress(TEXT)):
        cut = whole[: len(whole) * hundredths // 100]

        assert refused(file, cut).reason == ("damaged" if cut else "empty")


def test_a_flipped_bit_is_damage_even_where_xml_would_not_notice(file: Path) -> None:
    whole = bytearray(zipped({"feed.xml": TEXT}, zipfile.ZIP_STORED))
    whole[whole.index(b"Shop 250")] ^= 1

    assert refused(file, bytes(whole)).reason == "damaged"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (zipped({}), "empty"),
        (zipped({"feed.xml": b""}), "empty"),
        (zipped({"feed.xml": b" \n"}), "empty"),
        (gzip.compress(b""), "empty"),
        (zipped({"feed.txt": TEXT}), "damaged"),
        (zipped({"feed.xml": TEXT}, zipfile.ZIP_LZMA), "damaged"),
        (zipped({"feed.xml": TEXT}, zipfile.ZIP_BZIP2), "damaged"),
        (zipped({"feed.xml": zipped({"feed.xml": TEXT})}), "damaged"),
        (zipped({"feed.xml": b"<!DOCTYPE html><html></html>"}), "html"),
        (b"PK", "damaged"),
        (b"\x1f\x8bxx", "damaged"),
        (os.urandom(2000), "damaged"),
    ],
    ids=[
        *("nothing", "no files", "empty file", "blank", "empty gzip", "no xml", "lzma", "bzip2"),
        *("twice", "page", "PK", "gz", "noise"),
    ],
)
def test_a_file_without_a_feed_is_refused(file: Path, data: bytes, reason: str) -> None:
    assert refused(file, data).reason == reason


def test_a_locked_archive_is_damaged(file: Path) -> None:
    whole = bytearray(zipped({"feed.xml": TEXT}))
    whole[6] |= 1
    whole[whole.index(b"PK\x01\x02") + 8] |= 1

    assert "password" in str(refused(file, bytes(whole)))


def test_a_file_that_is_not_there_is_gone(tmp_path: Path) -> None:
    with pytest.raises(FeedRefused) as found, opened(tmp_path / "none.xml"):
        pass

    assert found.value.reason == "gone"


def bomb(megabytes: int) -> bytes:
    """An archive that unpacks to as much of nearly nothing, in a valid feed."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("feed.xml", "w") as member,
    ):
        member.write(b"<Catalog>" + site().encode())
        for _ in range(megabytes):
            member.write(b" " * (1 << 20))
        member.write(b"</Catalog>")
    return out.getvalue()


def lying(data: bytes, size: int) -> bytes:
    """The same archive that says of its file to be so large."""
    at = data.index(b"PK\x01\x02") + 24
    return data[:at] + struct.pack("<I", size) + data[at + 4 :]


def test_a_zip_bomb_is_refused_by_what_it_says_and_by_what_it_does(file: Path) -> None:
    data = bomb(100)
    heavy = catalog(*[site(Title=" " * 500_000)] * 200).encode()

    assert refused(file, data).reason == "too_large"
    assert refused(file, lying(data, 1000)).reason == "damaged"
    assert refused(file, gzip.compress(heavy)).reason == "too_large"


def test_an_archive_of_very_many_files_is_refused_before_it_is_listed(file: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(15_000):
            archive.writestr(f"{number:0>50}.xml", b"")

    assert "too long" in str(refused(file, out.getvalue()))


def test_an_operator_says_how_large_a_feed_may_be(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOPFLEET_FEED_MOST_UNPACKED_BYTES", str(len(TEXT) - 1))
    settings.cache_clear()
    try:
        found = [refused(file, data).reason for data in (TEXT, zipped({"feed.xml": TEXT}))]
    finally:
        settings.cache_clear()

    assert found == ["too_large", "too_large"]
