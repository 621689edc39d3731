"""What buyers see of bonuses: plain pages without scripts, cookies or anything of others."""

from collections.abc import Iterable
from html import escape

from ingest.responses import response

_HEADERS = (
    b"Content-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\n"
    # The address of a download is its key: no other site is to learn it.
    b"Referrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\nX-Robots-Tag: noindex\r\n"
    b"Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; form-action 'self';"
    b" base-uri 'none'\r\n"
)
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width">{head}<title>{title}</title>
<style>body{{font:1em/1.5 system-ui,sans-serif;max-width:32em;margin:3em auto;padding:0 1em}}
label{{display:block;margin:1em 0}}input{{font:inherit;width:100%;box-sizing:border-box}}
button{{font:inherit}}</style></head><body><h1>{title}</h1>
{body}
</body></html>
"""
_FORM = """<p>Tell us the receipt of your order and where your bonus is to go.</p>
<form method="post"><label>Receipt or order number
<input name="receipt" required maxlength="255" value="{receipt}"></label>
<label>E-mail<input name="email" type="email" required maxlength="254" value="{email}"></label>
<button>Get my bonus</button></form>"""
# The same for every receipt: whether there is such a sale is nobody's business.
RECEIVED = (
    "Thank you. If this receipt belongs to a sale, its bonus goes to the address that was given"
    " for it first. That takes a few minutes, and up to three days when the payment is not"
    " through yet."
)
_RETRY = b"Retry-After: 5\r\n"


def page(status: int, title: str, body: str, head: str = "", headers: bytes = b"") -> bytes:
    """A page; `body` is HTML."""
    text = _PAGE.format(title=escape(title), head=head, body=body)
    return response(status, _HEADERS + headers, text.encode())


def said(status: int, title: str, sentence: str, headers: bytes = b"") -> bytes:
    """A page of one sentence."""
    return page(status, title, f"<p>{escape(sentence)}</p>", headers=headers)


def form(receipt: str, email: str) -> bytes:
    """The claim's form, filled in as far as the seller's page knew."""
    body = _FORM.format(receipt=escape(receipt[:255]), email=escape(email[:254]))
    return page(200, "Your bonus", body)


def received(link: str | None, headers: bytes) -> bytes:
    """The neutral answer to every claim; `link` where the campaign has downloads."""
    body = f"<p>{escape(RECEIVED)}</p>"
    if link is not None:
        body += f'\n<p><a href="{escape(link)}">Your download</a></p>'
    return page(200, "Your bonus", body, headers=headers)


def refused(sentence: str, headers: bytes) -> bytes:
    """What was typed cannot be a claim."""
    return said(400, "Please look again", sentence, headers)


def downloads(links: Iterable[tuple[str, str]]) -> bytes:
    """Several files, by name and address."""
    items = "".join(f'<li><a href="{escape(link)}">{escape(name)}</a></li>' for name, link in links)
    return page(200, "Your bonuses", f"<ul>{items}</ul>")


def not_yet() -> bytes:
    """A claim that holds nothing, or nothing so far; looks again by itself."""
    sentence = (
        "There is nothing for you here yet. If you have just ordered, keep this page open or come"
        " back later."
    )
    head = '<meta http-equiv="refresh" content="10">'
    return page(200, "Not yet", f"<p>{sentence}</p>", head)


def unknown() -> bytes:
    """No link of ours."""
    return said(404, "No such link", "There is nothing at this address.")


def expired() -> bytes:
    """Was a link."""
    return said(410, "This link has expired", "Ask for your bonus again: you will get a new link.")


def revoked() -> bytes:
    """The order was refunded."""
    return said(410, "This link has ended", "The order it belongs to was taken back.")


def missing() -> bytes:
    """The bonus has no file that we could send anybody to."""
    return said(404, "No file", "The file is not there right now: please write to the seller.")


def away() -> bytes:
    """The database is away, or what was told could not be kept."""
    return said(503, "Please try again", "This does not work right now: try again soon.", _RETRY)
