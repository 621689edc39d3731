"""Definitions are read from YAML or JSON; what neither has is refused with its line."""

import orjson
import pytest

from schemas.definitions import parse
from schemas.triggers import Malformed

PLAIN = "name: N\ntrigger: {type: manual}\nactions: []\n"


def _fault(text: str | bytes) -> str:
    with pytest.raises(Malformed) as raised:
        parse(text)
    return str(raised.value)


def test_a_definition_becomes_columns_with_the_lines_of_their_fields() -> None:
    found = parse(
        "name: N\ntrigger:\n  type: event\n  event: click\nsettings: {most_steps: 5}\n"
        "conditions:\n- a\n- b\nactions:\n- record_note:\n    text: t\n"
    )

    assert found[:5] == (
        "N", "event", {"event": "click", "settings": {"most_steps": 5}}, ["a", "b"],
        [{"record_note": {"text": "t"}}],
    )  # fmt: skip
    assert found.lines["trigger.event"] == 4
    assert found.lines["conditions.1"] == 8
    assert found.lines["actions.0.record_note.text"] == 11


def test_words_that_yaml_once_took_for_other_things_stay_texts() -> None:
    told = [
        "on",
        "no",
        "yes",
        "off",
        "y",
        "12:30",
        "2026-12-01",
        "2026-12-01T09:00:00Z",
        "0x10",
        "010",
        "1_000",
        ".5",
        ".inf",
        "1e3",
        "=",
    ]
    text = "conditions:\n" + "".join(f"- {word}\n" for word in told)

    assert parse(PLAIN + text).conditions == told


def test_numbers_and_truths_are_what_json_has() -> None:
    found = parse(PLAIN + "conditions: [true, null, ~, 1, -2, 1.5, 1.0e+3]\n")

    assert found.conditions == [True, None, None, 1, -2, 1.5, 1000.0]


@pytest.mark.parametrize("indent", [0, 2])
def test_json_is_read_as_well_also_with_tabs(indent: int) -> None:
    told = {"name": "N", "trigger": {"type": "manual"}, "actions": [{"wait": {"seconds": 1}}]}
    text = orjson.dumps(told, option=orjson.OPT_INDENT_2 if indent else 0).decode()

    for one in (text, text.replace("  ", "\t"), text.replace(": ", ":\t")):
        assert parse(one).actions == told["actions"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (PLAIN + "conditions: &all [a]\nactions: *all\n", "line 5"),
        ("a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "line 2"),
        (PLAIN + "name: M\n", "name (line 4): it stands there twice"),
        (PLAIN.replace("[]", "!!python/object:os.system []"), "actions (line 3)"),
        (PLAIN + "---\nname: M\n", "line 4"),
        (PLAIN + "\tx: 1\n", "line 4"),
        (PLAIN + "extra: 1\n", "extra (line 4)"),
        (PLAIN + "[1, 2]: x\n", "line 4"),
        (PLAIN + "{a: 1}: x\n", "line 4"),
        (PLAIN.replace("{type: manual}", "manual"), "trigger (line 2)"),
        (PLAIN.replace("type", "kind"), "trigger.type"),
        (PLAIN.replace("actions", "action"), "action (line 3)"),
        ("[" * 5_000, "nested too deep"),
        ("{a: " * 100 + "1" + "}" * 100, "nested more than 60 deep"),
        ("- a\n", "list of fields"),
        ("", "list of fields"),
        (b"\xff\xfe\x00", "UTF-8"),
        ("a: \x07", "characters"),
        ("a\0b", "zero bytes"),
        ("x" * 300_000, "256 kB"),
    ],
)  # fmt: skip
def test_what_is_no_definition_is_refused_with_its_line(text: str | bytes, said: str) -> None:
    assert said in _fault(text)
