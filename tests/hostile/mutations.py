"""Inputs for fuzzing: good ones, spoilt a little, cut, doubled, or made endless."""

from itertools import pairwise

from hypothesis import strategies as st

_TOKENS = [
    "\0", "\r\n", "\n", "\t", " ", "%", "%00", "%0d%0a", "%zz", "{", "}", "{sub1}", "{click_id}",
    '"', "\\", '\\"', "\\x", "\\xff", "[", "]", "(", ")", "/", "//", "@", ":", "#", "?", "&", "=",
    ";", ",", "+", "-", ".", "\u202e", "\ufeff", "\ufffd", "\U0001f600", "e\u0301", "\u0661", "9",
    "99999999999999999999", "NaN", "-1", "1e999", "null", "T", "Z", "::", "ff", "127.0.0.1",
]  # fmt: skip
_LARGE = 20_000


@st.composite
def spoilt(draw: st.DrawFn, *seeds: str) -> str:
    """One of the seeds with up to four changes, now and then of twenty thousand characters."""
    text = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(text)))
        end = draw(st.integers(at, min(len(text), at + 8)))
        put = draw(st.sampled_from(_TOKENS) | st.text(max_size=5))
        times = draw(st.sampled_from([0, 1, 1, 1, 2, 40, _LARGE // (len(put) or 1)]))
        text = text[:at] + put * times + text[end:]
    return text


@st.composite
def spoilt_bytes(draw: st.DrawFn, seed: bytes) -> bytes:
    """The seed with up to three places overwritten, cut out or doubled."""
    data = seed
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        end = draw(st.integers(at, min(len(data), at + 64)))
        put = draw(st.binary(max_size=8) | st.just(data[at:end] * 2) | st.just(b"\xf4HF1"))
        data = data[:at] + put + data[end:]
    return data


@st.composite
def pieces(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """The same bytes, cut at up to eight places."""
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=8)))
    edges = [0, *cuts, len(data)]
    return [data[a:b] for a, b in pairwise(edges)]
