"""Files in S3: given away by an address that works for a while, and no other."""

import os
from collections.abc import Iterator
from http.client import HTTPConnection
from urllib.parse import urlsplit

import obstore
import pytest
from obstore.store import S3Store

from base.settings import Settings
from ingest.bonuses import location
from tests.bucket import NAME, bucket

FILE = b"%PDF the bonus"


@pytest.fixture(scope="module")
def store() -> Iterator[tuple[str, S3Store]]:
    """The address and the bucket, with one file in it."""
    with bucket() as (url, found):
        obstore.put(found, "tips/my bonus ü.pdf", FILE)
        yield url, found


def _get(url: str) -> tuple[int, bytes]:
    parts = urlsplit(url)
    connection = HTTPConnection(parts.netloc, timeout=10)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}")
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _settings(url: str) -> Settings:
    return Settings(s3_url=url)


def test_a_buyer_without_keys_gets_the_file(store: tuple[str, S3Store]) -> None:
    where = location(f"s3://{NAME}/tips/my bonus ü.pdf", _settings(store[0])).decode("ascii")

    assert _get(where) == (200, FILE)


def test_no_other_file_opens_with_that_address(store: tuple[str, S3Store]) -> None:
    obstore.put(store[1], "tips/other.pdf", b"another")
    where = location(f"s3://{NAME}/tips/my bonus ü.pdf", _settings(store[0])).decode("ascii")
    path = urlsplit(where).path

    assert _get(where.replace(path, f"/{NAME}/tips/other.pdf"))[0] == 403
    assert _get(where.partition("?")[0])[0] == 403
    assert _get(where.replace("X-Amz-Expires=3600", "X-Amz-Expires=99999"))[0] == 403


def test_a_wrong_secret_gives_nothing_away(store: tuple[str, S3Store]) -> None:
    wrong = store[0].replace("test%2Fsecret", "guess")

    where = location(f"s3://{NAME}/tips/my bonus ü.pdf", _settings(wrong)).decode("ascii")

    assert _get(where)[0] == 403
    assert os.environ.get("AWS_ACCESS_KEY_ID") is None  # nothing of the machine's own helped
