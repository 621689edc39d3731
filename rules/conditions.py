"""Conditions: expressions in CEL that must hold, and what they saw when they did not.

The library is kept behind this file. A field that is missing makes its expression false, with
the reason, never an error; `has(event.x)` asks whether it is there. What could not be answered
holds in no group either: `not` of it is no answer. The same goes for a text of more than 1,000
characters or a list of more than 1,000 items, of which nobody looks at the beginning only. Money
is a number here, times are RFC 3339 texts: `timestamp(now) - timestamp(event.occurred_at) >
duration("24h")`.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache, partial
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from cel_expr_python import cel

from base.errors import Misused

NAMES = (
    "event", "events", "trigger", "campaign", "stats", "user", "steps", "item", "run", "input",
    "now",
)  # fmt: skip
MOST_CHARACTERS = 2_000
MOST_EXPRESSIONS = 50
_MOST_DEPTH = 8
_MOST_TEXT = 200
_MOST_SEEN = 1_000  # characters of a text, items of a list
_MOST_LEVELS = 32
_TOO_LONG = {
    b"t": f"is longer than {_MOST_SEEN:,} characters",
    b"l": f"has more than {_MOST_SEEN:,} items",
    b"d": f"is nested more than {_MOST_LEVELS} deep",
}
_MOST_LOOPS = 2
_MOST_SUMS = 20
_MOST_SUMS_IN_LOOPS = 2  # a text of 1,000 characters, 10,000 times
_LOOP = re.compile(r"\.\s*(?:all|exists|exists_one|map|filter|transformList|transformMap)\s*\(")
_SIZE = re.compile(r"\bsize\s*\(")
_TEXT = re.compile(r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')""", re.S)
_PATH = re.compile(
    r"(?<![\w.])(?:"
    + "|".join(NAMES)
    + r")\b(?:\.[A-Za-z_]\w*+(?!\s*\()|\[\"[^\"]*\"\]|\['[^']*'\])*"
)
_GROUPS = ("all", "any", "not")


class Unreadable(Misused):
    """A condition that cannot be compiled; the text shows where."""


class Clause(NamedTuple):
    """One expression: whether it holds, the values it named, and why it could not be answered."""

    expression: str
    holds: bool
    seen: dict[str, Any]
    error: str | None


class Verdict(NamedTuple):
    """Whether all of it holds, and each expression's part in that."""

    holds: bool
    clauses: tuple[Clause, ...]


@lru_cache(1)
def _environment() -> Any:
    return cel.NewEnv(variables=dict.fromkeys(NAMES, cel.Type.DYN))


class _Expression:
    def __init__(self, text: str) -> None:
        if len(text) > MOST_CHARACTERS:
            raise Unreadable(f"an expression has {MOST_CHARACTERS} characters at most")
        if not text.strip():
            raise Unreadable("an expression is empty")
        bare = _TEXT.sub('""', text)
        loops, sums = len(_LOOP.findall(bare)), bare.count("+")
        if loops > _MOST_LOOPS or sums > _MOST_SUMS:
            raise Unreadable(
                f"`{text[:100]}` has more than {_MOST_LOOPS} loops or {_MOST_SUMS} sums"
            )
        if loops > 1 and sums > _MOST_SUMS_IN_LOOPS:
            raise Unreadable(
                f"`{text[:100]}` has more than {_MOST_SUMS_IN_LOOPS} sums beside {loops} loops"
            )
        self.text = text
        try:
            self._compiled = _environment().compile(text)
        except (RuntimeError, ValueError, TypeError) as error:
            raise Unreadable(f"`{text[:100]}`: {_plain(str(error))}") from None
        kind = self._compiled.return_type().name()
        if kind not in ("BOOL", "DYN", "bool", "dyn"):
            raise Unreadable(f"`{text[:100]}` is no condition: it gives {kind}, not true or false")
        self.paths = frozenset(_paths(text))
        self.loops = _LOOP.search(bare) is not None
        self.sizes = _SIZE.search(bare) is not None

    def judge(self, values: dict[str, Any], asked: Mapping[str, Any]) -> Clause:
        try:
            found = self._compiled.eval(data=values)
            plain = found.plain_value()
            failed = found.type().name().upper() in ("ERROR", "UNKNOWN")
        except (RuntimeError, ValueError, TypeError) as error:
            plain, failed = str(error), True
        seen = {path: _short(_at(asked, path)) for path in sorted(self.paths)}
        long = self._too_long(values) if self.sizes else None
        if long is not None:  # its size would be that of what stands for it
            return Clause(self.text, False, seen, long)
        if failed:
            return Clause(self.text, False, seen, self._why(str(plain), values))
        if not isinstance(plain, bool):
            return Clause(self.text, False, seen, f"it gives {_short(plain)}, not true or false")
        return Clause(self.text, plain, seen, None)

    def _why(self, error: str, values: Mapping[str, Any]) -> str:
        missing = re.search(r'Key not found in map : "?([^"]*)"?', error)
        if missing or "No value with name" in error or "SELECT to non-message" in error:
            absent = [one for one in map(partial(_absent, values), sorted(self.paths)) if one]
            key = missing[1] if missing else None
            named = [one for one in absent if key is None or one.rpartition(".")[2] == key]
            return f"{(named or absent or [key or 'a value it needs'])[0]} is missing"
        long = self._too_long(values)
        if "overload" in error and long is not None:
            return long
        return error.partition(": ")[2][:300] or error[:300]

    def _too_long(self, values: Mapping[str, Any]) -> str | None:
        """Which of its values is too long to be looked into; inner ones when it has a loop."""
        for path in sorted(self.paths):
            found = _at(values, path)
            if isinstance(found, bytes):
                return f"{path} {_about(found)}"
            inner = next(_long_ones(found), None) if self.loops else None
            if inner is not None:
                return f"a value in {path} {_about(inner)}"
        return None


def _long_ones(value: Any) -> Iterator[bytes]:
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, Mapping | list):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from _long_ones(one)


def _plain(error: str) -> str:
    """A compiler's message without its frame."""
    lines = [line for line in error.splitlines() if not line.lstrip().startswith("|")]
    text = " ".join(lines).replace("INVALID_ARGUMENT:", "").replace("ERROR: <input>:", "at ")
    text = re.sub(r"\s*\(in container ''\)|\s*\[INVALID_ARGUMENT\]", "", text).strip()
    if "undeclared reference" in text:
        text += f"; known are {', '.join(NAMES)}"
    return text[:500]


def _paths(text: str) -> Iterator[str]:
    """The paths an expression names, such as `stats.day.refund_rate`."""
    bare = "".join(
        part if at % 2 == 0 or _indexes(text, part) else '""'
        for at, part in enumerate(_TEXT.split(text))
    )
    for found in _PATH.finditer(bare):
        yield re.sub(r"\[[\"']([^\"']*)[\"']\]", r".\1", found[0])


def _indexes(text: str, part: str) -> bool:
    return f"[{part}]" in text


def _at(values: Mapping[str, Any], path: str) -> Any:
    found: Any = values
    for part in path.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return None
        found = found[part]
    return found


def _absent(values: Mapping[str, Any], path: str) -> str | None:
    """The beginning of a path up to what is not there, or null; None when all of it is."""
    parts = path.split(".")
    for length in range(1, len(parts) + 1):
        if _at(values, ".".join(parts[:length])) is None:
            return ".".join(parts[:length])
    return None


def _stand_in(kind: bytes, value: Any) -> bytes:
    """Bytes for what is too long: they are there, and equal nothing that is short.

    No other value becomes bytes, and the library has no function of texts or lists that takes
    them, but for `size`.
    """
    return b"\xff" + kind + sha256(repr(value).encode(errors="replace")).digest()


def _about(stand_in: bytes) -> str:
    return _TOO_LONG[stand_in[1:2]]


def _bracketed(value: Any) -> str:
    return f"({_about(value)})" if isinstance(value, bytes) else str(value)


def _short(value: Any) -> Any:
    """A value as it is kept beside a verdict: long ones are cut."""
    if isinstance(value, str) and len(value) > _MOST_TEXT:
        return _cel(value[:_MOST_TEXT]) + "…"
    plain = _cel(value)
    if isinstance(plain, bytes):
        return _bracketed(plain)
    if isinstance(plain, dict | list):
        text = orjson.dumps(plain, default=_bracketed).decode()
        plain = orjson.loads(text)
        return plain if len(text) <= _MOST_TEXT else text[:_MOST_TEXT] + "…"
    return plain


def _cel(value: Any, depth: int = 0) -> Any:
    """A value as CEL takes it: money as a number, times and ids as text."""
    if isinstance(value, str):
        # No surrogate halves: the library refuses them.
        if len(value) > _MOST_SEEN:
            return _stand_in(b"t", value)
        return value.encode(errors="replace").decode()
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else float(value)
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if depth > _MOST_LEVELS:
        return _stand_in(b"d", depth)
    if isinstance(value, Mapping):
        return {str(name): _cel(one, depth + 1) for name, one in value.items()}
    if isinstance(value, list | tuple):
        if len(value) > _MOST_SEEN:
            return _stand_in(b"l", value)
        return [_cel(one, depth + 1) for one in value]
    return _cel(str(value))


_Answer = bool | None  # None: nobody can say
_Judge = Callable[[Mapping[str, Any], dict[str, Any], list[Clause]], _Answer]


def _all(answers: list[_Answer]) -> _Answer:
    return False if False in answers else None if None in answers else True


def _any(answers: list[_Answer]) -> _Answer:
    return True if True in answers else None if None in answers else False


def _not(answer: _Answer) -> _Answer:
    return None if answer is None else not answer


class Condition:
    """Expressions, and the groups that hold them together; made by `compiled`."""

    def __init__(self, conditions: Any) -> None:
        self._expressions: list[_Expression] = []
        self._judge = self._group(conditions, 0)
        self.names = frozenset(path for one in self._expressions for path in one.paths)

    def judge(self, values: Mapping[str, Any]) -> Verdict:
        """Whether they hold for these values; each expression is looked at, for the record."""
        tops = {name.partition(".")[0] for name in self.names}
        given = {name: _cel(value) for name, value in values.items() if name in tops}
        clauses: list[Clause] = []
        holds = self._judge(values, given, clauses)
        return Verdict(holds is True, tuple(clauses))

    def _group(self, told: Any, depth: int) -> _Judge:
        if depth > _MOST_DEPTH:
            raise Unreadable(f"groups are nested more than {_MOST_DEPTH} deep")
        if told is None:
            return lambda asked, values, clauses: True
        if isinstance(told, str):
            return self._single(told)
        if isinstance(told, list | tuple):
            return self._several(told, _all, depth)
        if isinstance(told, Mapping) and len(told) == 1:
            ((kind, inner),) = told.items()
            if kind == "not":
                judged = self._group(inner, depth + 1)
                return lambda asked, values, clauses: _not(judged(asked, values, clauses))
            if kind in ("all", "any") and isinstance(inner, list | tuple):
                return self._several(inner, _all if kind == "all" else _any, depth)
        raise Unreadable(
            "conditions are a list of expressions, or groups {all: […]}, {any: […]}, {not: …}"
        )

    def _single(self, text: str) -> _Judge:
        expression = _Expression(text)
        self._expressions.append(expression)
        if len(self._expressions) > MOST_EXPRESSIONS:
            raise Unreadable(f"there are more than {MOST_EXPRESSIONS} expressions")

        def judge(
            asked: Mapping[str, Any], values: dict[str, Any], clauses: list[Clause]
        ) -> _Answer:
            clauses.append(expression.judge(values, asked))
            return clauses[-1].holds if clauses[-1].error is None else None

        return judge

    def _several(self, told: Any, how: Callable[[list[_Answer]], _Answer], depth: int) -> _Judge:
        if len(told) > MOST_EXPRESSIONS:
            raise Unreadable(f"there are more than {MOST_EXPRESSIONS} expressions")
        inner = [self._group(one, depth + 1) for one in told]
        return lambda asked, values, clauses: how([one(asked, values, clauses) for one in inner])


def compiled(conditions: Any) -> Condition:
    """Conditions as they stand in JSON, ready to be asked; raises `Unreadable`."""
    try:
        text = orjson.dumps(conditions).decode()
    except (TypeError, ValueError, RecursionError):
        raise Unreadable("conditions are no JSON") from None
    return _compiled(text)


@lru_cache(5_000)
def _compiled(text: str) -> Condition:
    return Condition(orjson.loads(text))
