"""A real browser on a page of another origin: link, pixel and beacons become the right rows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.fleet.fleet import Fleet
from tests.fleet.page import site

_CHROMIUM = Path("/usr/bin/chromium")
_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
_AGENT = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/140.0.0.0 Safari/537.36"
)
_PAGE = """
<!doctype html><title>An article</title><link rel="icon" href="data:,">
<img id="pixel" src="{door}/p/{name}.gif?sub1=pixel&source=newsletter" alt="">
<a id="link" href="{door}/r/{name}?sub1=link&utm_source=blog">Buy</a>
<script>
function tell() {{
  navigator.sendBeacon("{door}/e/{name}", JSON.stringify({{event: "view", sub1: "text"}}));
  navigator.sendBeacon("{door}/e/{name}", new Blob(
    [JSON.stringify({{event: "click", sub1: "json", sub2: "ü"}})], {{type: "application/json"}}));
}}
</script>
"""
_STRICT = "default-src 'none'; script-src {door}; require-trusted-types-for 'script'"
_MARKED = """
<!doctype html><title>An advertorial</title>
<script async src="{door}/t/{name}.js?source=ad&sub1=page"></script>
<a id="link" href="{door}/r/{name}?sub1=a%20b&sub2#top">Buy</a>
<a id="hop" href="https://one.two.hop.clickbank.net/?pid=7&extclid=old">Buy</a>
<a id="own" href="https://one.two.hop.clickbank.net/?tid=mine&cbpage=a%2fb">Buy</a>
<a id="other" href="https://example.com/r/{name}?click_id=theirs">Read</a>
<a id="near" href="https://evilhop.clickbank.net.example.com/?tid=">Read</a>
<a id="mail" href="mailto:a@example.com">Write</a>
"""
_ADD_LATER = """href => {
  const link = document.createElement("a"), host = document.createElement("div");
  link.href = href;
  host.attachShadow({mode: "open"}).append(link);
  document.body.append(host);
  link.addEventListener("click", event => event.preventDefault());
  link.click();
  return link.href;
}"""
_KEPT = "() => [document.cookie, localStorage.length, sessionStorage.length]"
_HREFS = "() => Object.fromEntries([...document.links].map(a => [a.id, a.href]))"


@pytest.fixture
def page() -> Iterator[Page]:
    """A page of a headless Chromium that says it is an ordinary desktop browser."""
    if not _CHROMIUM.exists():
        pytest.skip(f"there is no browser at {_CHROMIUM}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=_FLAGS)
        yield browser.new_page(user_agent=_AGENT)
        browser.close()


def test_a_visitors_browser_makes_the_right_rows(fleet: Fleet, page: Page) -> None:
    with site() as blog, site() as shop:
        shop.pages["/product"] = "<title>The product</title>"
        campaign = fleet.campaign(affiliate_link=shop.origin + "/product?from={sub1}&id={click_id}")
        door = f"http://127.0.0.1:{fleet.port}"
        blog.pages["/"] = _PAGE.format(door=door, name=campaign["tracking_id"])

        with page.expect_response("**/p/*.gif*") as pixel:
            page.goto(blog.origin + "/")
        with (
            page.expect_response(lambda answer: _posted(answer, "text/plain")) as text,
            page.expect_response(lambda answer: _posted(answer, "application/json")) as json,
        ):
            page.evaluate("tell()")
        page.click("#link")
        page.wait_for_url(shop.origin + "/product*")
        landed, title = page.url, page.title()
    fleet.until_drained()

    rows = _rows(fleet, campaign["user_id"])
    assert title == "The product"
    assert landed == f"{shop.origin}/product?from=link&id={rows['link']['click_id']}"
    assert [answer.value.status for answer in (pixel, text, json)] == [200, 204, 204]
    assert {name: (row["type"], row["source"]) for name, row in rows.items()} == {
        "pixel": ("view", "newsletter"),
        "text": ("view", "127.0.0.1"),
        "json": ("click", "127.0.0.1"),
        "link": ("click", "blog"),
    }
    assert rows["json"]["sub2"] == "ü"
    assert {row["referrer"] for row in rows.values()} == {blog.origin + "/"}
    assert {(row["device"], row["browser"], row["os"]) for row in rows.values()} == {
        ("desktop", "Chrome", "Linux")
    }
    assert [row for row in rows.values() if "bot" in row] == []
    assert {row["ip"] for row in rows.values()} == {"127.0.0.0"}


def test_a_strict_pages_links_carry_the_id_of_its_view(fleet: Fleet, page: Page) -> None:
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    with site() as advertorial, site() as shop:
        shop.pages["/"] = "<title>The product</title>"
        shop.pages["/favicon.ico"] = advertorial.pages["/favicon.ico"] = " "  # a browser may ask
        campaign = fleet.campaign(affiliate_link=shop.origin + "/?id={click_id}")
        door, name = f"http://127.0.0.1:{fleet.port}", campaign["tracking_id"]
        advertorial.headers["Content-Security-Policy"] = _STRICT.format(door=door)
        advertorial.pages["/"] = _MARKED.format(door=door, name=name)

        with page.expect_response("**/t/*.js*") as script:
            page.goto(advertorial.origin + "/")
        view, size = script.value.headers["x-click-id"], len(script.value.body())
        hrefs = page.evaluate(_HREFS)
        later = page.evaluate(_ADD_LATER, f"{door}/r/{name}")
        kept = page.evaluate(_KEPT)
        page.click("#link")
        page.wait_for_url(shop.origin + "/*")
        clicked = page.url.partition("?id=")[2].partition("#")[0]
        cookies = page.context.cookies()
    fleet.until_drained()

    assert hrefs == {
        "link": f"{door}/r/{name}?sub1=a%20b&sub2&click_id={view}#top",
        "hop": f"https://one.two.hop.clickbank.net/?pid=7&extclid={view}&tid={view}",
        "own": f"https://one.two.hop.clickbank.net/?tid=mine&cbpage=a%2fb&extclid={view}",
        "other": f"https://example.com/r/{name}?click_id=theirs",
        "near": "https://evilhop.clickbank.net.example.com/?tid=",
        "mail": "mailto:a@example.com",
    }
    assert later == f"{door}/r/{name}?click_id={view}"
    assert (kept, cookies, complaints) == (["", 0, 0], [], [])
    assert size <= 2_048
    rows = fleet.sql(
        "SELECT event_type, source, metadata FROM analytics_events"
        " WHERE user_id = %s ORDER BY created_at",
        campaign["user_id"],
    )
    assert [(kind, source) for kind, source, _ in rows] == [("view", "ad"), ("click", "127.0.0.1")]
    seen, click = rows[0][2], rows[1][2]
    assert (seen["click_id"], seen["sub1"], "bot" in seen) == (view, "page", False)
    assert (click["click_id"], click["view_id"], click["sub1"]) == (clicked, view, "a b")


def _posted(answer: Any, kind: str) -> bool:
    asked = answer.request
    given = str(asked.headers.get("content-type", ""))
    return bool(asked.method == "POST" and given.startswith(kind))


def _rows(fleet: Fleet, user_id: Any) -> dict[str, dict[str, Any]]:
    """The rows by their `sub1`: metadata, type and source."""
    rows = fleet.sql(
        "SELECT event_type, source, metadata FROM analytics_events WHERE user_id = %s", user_id
    )
    found = {row[2]["sub1"]: {**row[2], "type": row[0], "source": row[1]} for row in rows}
    assert len(found) == len(rows) == 4
    return found
