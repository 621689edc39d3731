"""Each of the 65 items is a test, or says in the folder's docstring why it is none."""

import re

import tests.hostile
from tests.reading import ROOT, code

ITEMS = set(range(1, 66))


def test_each_item_is_a_test_or_has_its_reason() -> None:
    text = "\n".join((ROOT / name).read_text() for name in code() if name.startswith("tests/"))
    shown = {int(number) for number in re.findall(r"def test_item_(\d\d)_\w{10,}", text)}
    reasons = {
        int(number): reason
        for number, reason in re.findall(r"^    (\d\d)  (.+)$", tests.hostile.__doc__ or "", re.M)
    }

    assert shown | set(reasons) == ITEMS
    assert not shown & set(reasons)
    for reason in reasons.values():
        elsewhere = re.search(r"tests/\S+\.py", reason)
        assert "no such part yet" in reason or (elsewhere and (ROOT / elsewhere[0]).exists())
