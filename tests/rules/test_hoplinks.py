"""Hoplinks: what ClickBank's addresses are built of, and what cannot be a part of one."""

import pytest

from base.errors import Misused
from rules import destination
from rules.hoplinks import hoplink


def test_a_hoplink_names_affiliate_and_seller_in_lower_case() -> None:
    link = hoplink(" MapleWick ", "QUILTPATH")

    assert link == "https://hop.clickbank.net/?affiliate=maplewick&vendor=quiltpath"
    assert destination.check(link, frozenset()) is None


@pytest.mark.parametrize("nickname", ["", "a b", "me&vendor=else", "a.b", "über", "x" * 51, "{a}"])
def test_what_is_no_nickname_never_gets_into_a_link(nickname: str) -> None:
    with pytest.raises(Misused, match="nickname"):
        hoplink(nickname, "quiltpath")
