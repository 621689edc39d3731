"""Own bot lists: whom an operator or a user calls a bot, and whom a person.

A rule is `agent` (text anywhere in the user agent), `pattern` (RE2 in it), both without case, or
`network`. `person` wins over every other verdict, whoever's rule it is.
"""

from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_network
from typing import Any, Literal

import re2  # type: ignore[import-untyped]

from base.errors import Refused
from rules.addresses import parse

PERSON, OWN_LIST, KNOWN_RANGE = "person", "own_list", "known_range"
_VERDICTS = (PERSON, OWN_LIST, KNOWN_RANGE)  # the strongest first
_NONE = len(_VERDICTS)  # the place in `_VERDICTS` of who fits no rule
Kind = Literal["agent", "pattern", "network"]
MOST_CHARACTERS = 255
# What doors keep of an address: a rule for less could never be seen to fit.
KEPT_BITS = {4: 24, 6: 48}
_MOST_AGENT_CHARACTERS = 1_000
_MAX_MEMORY_BYTES = 64 << 20
_CACHED = 8_192

Rule = tuple[str | None, str, str, str]  # user id or None for all, kind, pattern, verdict


def check(kind: str, pattern: str) -> str:
    """The pattern as it is kept; raises `Refused` with a sentence when it is none."""
    if not 0 < len(pattern) <= MOST_CHARACTERS or not pattern.isprintable():
        raise Refused(f"A rule has 1 to {MOST_CHARACTERS} printable characters.")
    if kind == "network":
        return _network(pattern)
    if kind == "pattern" and _compile([pattern]).search(b"") is not None:
        raise Refused("This pattern fits every user agent.")
    return pattern


def _network(text: str) -> str:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise Refused(f"{text[:50]} is no network: write 203.0.113.0/24.") from None
    kept = KEPT_BITS[network.version]
    if network.prefixlen > kept:
        raise Refused(
            f"{network} is smaller than what is kept of an address: give a /{kept} or larger."
        )
    return str(network)


class _Networks:
    """Which verdict a network has; one look for each length of prefix there is."""

    def __init__(self, patterns: Iterable[str]) -> None:
        found: dict[tuple[int, int], set[int]] = defaultdict(set)
        for pattern in patterns:
            network = ip_network(pattern, strict=False)
            shift = network.max_prefixlen - network.prefixlen
            found[network.version, shift].add(int(network.network_address) >> shift)
        self._found = dict(found)

    def hold(self, address: str) -> bool:
        """Whether the address, whole or truncated, is in one of them."""
        if not self._found or (parsed := parse(address[:64])) is None:
            return False
        number = int(parsed)
        return any(
            parsed.version == version and number >> shift in numbers
            for (version, shift), numbers in self._found.items()
        )


class _Scope:
    """The rules of one user, or of all."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        by_verdict: dict[str, list[Rule]] = defaultdict(list)
        for rule in rules:
            by_verdict[rule[3]].append(rule)
        order = [(n, of) for n, one in enumerate(_VERDICTS) if (of := by_verdict[one])]
        agents = [
            (place, _compile([re2.escape(p) if kind == "agent" else p for kind, p in texts]))
            for place, of in order
            if (texts := [(kind, p) for _, kind, p, _ in of if kind != "network"])
        ]
        networks = [
            (place, _Networks(found))
            for place, of in order
            if (found := [p for _, kind, p, _ in of if kind == "network"])
        ]

        @lru_cache(_CACHED)
        def agent(text: str) -> int:
            raw = text[:_MOST_AGENT_CHARACTERS].encode("utf-8", "replace")
            return next((place for place, whole in agents if whole.search(raw)), _NONE)

        @lru_cache(_CACHED)
        def address(text: str) -> int:
            return next((place for place, held in networks if held.hold(text)), _NONE)

        # None spares every event a look that finds nothing.
        self.agent, self.address = agent if agents else None, address if networks else None


class BotLists:
    """All rules of one moment, made ready; rules that cannot be read are in `unread`."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        by_user: dict[str | None, list[Rule]] = defaultdict(list)
        self.unread: list[Rule] = []
        for rule in rules:
            try:
                by_user[rule[0]].append((rule[0], rule[1], check(rule[1], rule[2]), rule[3]))
            except Refused:
                self.unread.append(rule)
        self._of: dict[str | None, _Scope] = {}
        for user, found in by_user.items():
            try:
                self._of[user] = _Scope(found)
            except Refused:  # each is a pattern, together they are too large for one
                self.unread += found

    def verdict(self, user: str, agent: object, address: object) -> str | None:
        """`person`, `own_list`, `known_range`, or None when no rule fits."""
        if not self._of:
            return None
        best = _NONE
        for scope in (self._of.get(user), self._of.get(None)):
            if scope is None:
                continue
            if scope.agent and isinstance(agent, str):
                best = min(best, scope.agent(agent))
            if scope.address and isinstance(address, str):
                best = min(best, scope.address(address))
        return None if best == _NONE else _VERDICTS[best]


def _compile(patterns: list[str]) -> Any:
    """The patterns as one; raises `Refused` when RE2 does not take them."""
    options = re2.Options()
    options.max_mem = _MAX_MEMORY_BYTES
    options.never_capture = True
    options.log_errors = False
    options.case_sensitive = False
    try:
        return re2.compile("|".join(f"(?:{one})" for one in patterns).encode(), options)
    except re2.error as error:
        raise Refused(f"This is no RE2 pattern: {str(error)[:100]}.") from None
