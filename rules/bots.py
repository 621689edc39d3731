"""Bots: why a request was probably not a person looking at a page.

Patterns come from the crawler-user-agents list, as one alternation in RE2, which takes linear
time whatever a stranger sends. Nothing is dropped for it: the reason is kept with the event.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cache, lru_cache
from typing import Any

import re2  # type: ignore[import-untyped]
from crawleruseragents import (  # type: ignore[import-untyped]
    CRAWLER_USER_AGENTS_DATA,
)

from base.settings import Networks
from rules.addresses import parse

_MAX_MEMORY_BYTES = 128 << 20  # RE2 degrades to something far slower when its automaton is cut
_MAX_CHARACTERS = 1000
_CACHED = 8192  # user agents repeat; at 1,000 characters each this stays under 10 MB

# The list's tags as reasons, the most telling first; any other tag is a crawler.
_TAGS = (
    ("social-preview", "preview"),
    ("browser-automation", "headless"),
    ("http-library", "tool"),
    ("monitoring", "monitoring"),
)

# What the list lacks, or knows only in one spelling: reason and pattern, without case.
_OWN = (
    (
        "tool",
        r"^(?:curl|libcurl|wget|python|go-http|java/|libwww|lwp|ruby|perl|php|guzzle|node|deno"
        r"|bun/|undici|axios|got |postman|insomnia|httpie|reqwest|dart/|powershell|wrk|k6/"
        r"|apachebench|hey/|vegeta|siege|test$|mozilla/5\.0$|mozilla$|-$)",
    ),
    (
        "headless",
        r"headless|phantomjs|slimerjs|puppeteer|playwright|selenium|webdriver|cypress",
    ),
    ("preview", r"whatsapp/|linkpreview|link preview|urlpreview|unfurl|snapchat ad|safelinks"),
    ("monitoring", r"uptime|pingdom|statuscake|site24x7|healthcheck|kube-probe|elb-health"),
    ("crawler", r"crawler|spider\b|scraper|(?:^|[^u])bot\b|\+https?://"),
)

Search = Callable[[str], str | None]


def user_agent(text: str | None) -> str | None:
    """Why a user agent is not a person's browser; None when it looks like one."""
    if not text or not text.strip():
        return "no_user_agent"
    return _searcher()(text[:_MAX_CHARACTERS])


def prefetch(headers: Mapping[str, str]) -> str | None:
    """`prefetch` when the browser says that nobody has asked for the page yet.

    `headers` by lower-case name: Sec-Purpose (today), Purpose (older Chrome, Safari), X-Moz.
    """
    for name in ("sec-purpose", "purpose", "x-purpose", "x-moz"):
        value = headers.get(name)
        if value and ("prefetch" in value.lower() or "preview" in value.lower()):
            return "prefetch"
    return None


def known_range(networks: Networks, reason: str = "known_range") -> Search:
    """A function from an address (whole or truncated) to `reason` when it is in `networks`."""
    if not networks:
        return lambda _: None

    @lru_cache(_CACHED)
    def search(address: str) -> str | None:
        parsed = parse(address[:64])
        if parsed is None:
            return None
        return reason if any(parsed in network for network in networks) else None

    return search


@cache
def _searcher() -> Search:
    """Built on first use, at a worker's start: some 5 ms."""
    crawlers = [(_reason(known["tags"]), known["pattern"]) for known in CRAWLER_USER_AGENTS_DATA]
    exact, exact_which = _compile(crawlers, case_sensitive=True)
    loose, loose_which = _compile(_OWN, case_sensitive=False)

    @lru_cache(_CACHED)
    def search(text: str) -> str | None:
        raw = text.encode("utf-8", "replace")
        if exact.search(raw):
            return exact_which(raw)
        return loose_which(raw) if loose.search(raw) else None

    return search


def _reason(tags: Iterable[str]) -> str:
    return next((reason for tag, reason in _TAGS if tag in tags), "crawler")


def _compile(
    patterns: Iterable[tuple[str, str]], *, case_sensitive: bool
) -> tuple[Any, Callable[[bytes], str]]:
    """An alternation that says whether, and a set of the same patterns that says which."""
    options = re2.Options()
    options.max_mem = _MAX_MEMORY_BYTES
    options.never_capture = True
    options.log_errors = False
    options.case_sensitive = case_sensitive
    which = re2.Set.SearchSet(options)
    reasons = []
    for reason, pattern in patterns:
        which.Add(pattern)
        reasons.append(reason)
    which.Compile()

    def name(text: bytes) -> str:
        """The most telling reason of all patterns that match."""
        found = {reasons[index] for index in which.Match(text) or ()}
        return next((reason for _, reason in _TAGS if reason in found), "crawler")

    whole = "|".join(pattern for _, pattern in patterns)
    return re2.compile(whole.encode(), options), name
