"""Realistic requests for the load generator: links with sub-ids, pixels, browsers' headers."""

import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

_AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15"
    " (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/142.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14.7; rv:144.0) Gecko/20100101 Firefox/144.0",
    "Mozilla/5.0 (Linux; Android 14; SM-S921B) AppleWebKit/537.36 (KHTML, like Gecko)"
    " SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
)
_REFERRERS = (
    "https://www.facebook.com/",
    "https://blog.example.com/best-keto-recipes-for-beginners",
    "https://news.example.net/wellness/",
    "https://www.youtube.com/",
    "",
)
_SOURCES = ("facebook", "newsletter", "google", "tiktok", "native", "blog")
_PLACEMENTS = ("top", "sidebar", "footer", "story", "video-end")


@dataclass(frozen=True)
class Target:
    """One request: method, path with its query, headers (no Host, no Content-Length), body."""

    path: str
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""

    def wire(self, host: str) -> bytes:
        """The bytes of a keep-alive HTTP/1.1 request to `host`."""
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: {host}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if self.body or self.method == "POST":
            lines.append(f"Content-Length: {len(self.body.encode())}")
        return ("\r\n".join(lines) + "\r\n\r\n" + self.body).encode()


def visits(
    tracking_ids: Sequence[str],
    count: int = 2000,
    *,
    pixel_share: float = 0.1,
    seed: int = 7,
    path: str = "/r/{}",
) -> list[Target]:
    """`count` clicks over the given links, a share of them pixel hits; the same for one seed."""
    dice = random.Random(seed)
    made = []
    for _ in range(count):
        tracking_id = dice.choice(tracking_ids)
        if dice.random() < pixel_share:
            made.append(
                Target(f"/p/{tracking_id}.gif?source={_source(dice)}", headers=_image(dice))
            )
        else:
            made.append(Target(path.format(tracking_id) + _query(dice), headers=_page(dice)))
    return made


def save(targets: Sequence[Target], file: Path) -> None:
    """Write targets as a JSON list of objects, for `--targets FILE`."""
    file.write_text(json.dumps([asdict(target) for target in targets]))


def read(file: Path) -> list[Target]:
    """The targets in a file that `save` (or a person) wrote."""
    return [Target(**found) for found in json.loads(file.read_text())]


def _source(dice: random.Random) -> str:
    return dice.choice(_SOURCES)


def _query(dice: random.Random) -> str:
    parts = [
        f"source={_source(dice)}",
        f"sub1=ad{dice.randrange(10_000)}",
        f"sub2={dice.choice(_PLACEMENTS)}",
        f"sub3=spring%20sale%20{dice.randrange(100)}",
    ]
    if dice.random() < 0.3:
        parts.append(f"utm_campaign=c{dice.randrange(500)}&utm_medium=cpc")
    if dice.random() < 0.3:
        parts.append(f"gclid=EAIaIQob{dice.getrandbits(96):024x}")
    return "?" + "&".join(parts)


def _page(dice: random.Random) -> dict[str, str]:
    return {
        "User-Agent": dice.choice(_AGENTS),
        "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8",
        "Accept-Language": "en-US,en;q=0.9",
        "Accept-Encoding": "gzip, deflate, br, zstd",
        **_referrer(dice),
        "Sec-Fetch-Dest": "document",
        "Sec-Fetch-Mode": "navigate",
        "Upgrade-Insecure-Requests": "1",
    }


def _image(dice: random.Random) -> dict[str, str]:
    return {
        "User-Agent": dice.choice(_AGENTS),
        "Accept": "image/avif,image/webp,image/png,image/svg+xml,*/*;q=0.5",
        "Accept-Language": "en-US,en;q=0.9",
        "Accept-Encoding": "gzip, deflate, br, zstd",
        **_referrer(dice),
        "Sec-Fetch-Dest": "image",
    }


def _referrer(dice: random.Random) -> dict[str, str]:
    chosen = dice.choice(_REFERRERS)
    return {"Referer": chosen} if chosen else {}
