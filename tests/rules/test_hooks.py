"""Keys of hooks: ours are read, nobody else's are."""

from uuid import UUID

import pytest

from rules.hooks import Hook, key_of, read, url

SECRET = b"secret"
WORKFLOW = UUID(int=0xABC)
KEY = key_of(WORKFLOW, 7, SECRET)


def test_a_key_says_which_workflow_and_which_number() -> None:
    assert read((SECRET,), KEY) == Hook(WORKFLOW, 7)


def test_a_key_of_an_earlier_secret_is_read_still() -> None:
    assert read((b"newer", SECRET), KEY) == Hook(WORKFLOW, 7)
    assert read((b"newer",), KEY) is None


def test_the_address_holds_nothing_that_would_have_to_be_encoded() -> None:
    whole = url("https://example.com", WORKFLOW, 2_147_483_647, SECRET)

    head, _, key = whole.rpartition("/")
    assert head == "https://example.com/hooks"
    assert key.replace("-", "").replace("_", "").isalnum()
    assert read((SECRET,), key) == Hook(WORKFLOW, 2_147_483_647)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "-",
        "--",
        KEY[:-1],
        KEY + "A",
        KEY.upper(),
        KEY.replace("-7-", "-8-"),
        KEY.replace("-7-", "-07-"),
        KEY.replace("-7-", "-+7-"),
        KEY.replace("-7-", "-\u0667-"),  # a seven, too
        KEY.replace("-7-", "-99999999999-"),
        KEY.replace("abc", "abd"),
        "{" + KEY[1:],
        "\0" * 66,
        "é" * 60,
        "a" * 10_000,
    ],
    ids=range(16),
)
def test_what_nobody_signed_is_no_key(key: str) -> None:
    assert read((SECRET,), key) is None
