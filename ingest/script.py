"""`/t/{tracking_id}.js`: the script that gives a page's links the id of its view.

For ads that forbid redirects. The id stands in the script as it is served, so a page needs no
more than `script-src` for our host: nothing is fetched, stored, styled or evaluated. Nothing a
stranger says gets into the script: only an id of our own making and the operator's address.

Links are marked at once, when the page is complete, and when they are used: in the capture phase,
so before the page's own handlers, and also links that came later or lie in a shadow tree. The
first script of a page marks; a second one, whoever's it is, would only change what is marked.
"""

from functools import cache
from urllib.parse import urlsplit

import orjson

from ingest.responses import response

MOST_BYTES = 2_048
_MOST_ORIGIN_BYTES = 300  # longer than any host with its port
_HEADERS = (
    b"Content-Type: text/javascript; charset=utf-8\r\nCache-Control: no-store\r\n"
    b"X-Content-Type-Options: nosniff\r\n"
    # Pages that isolate themselves (COEP), or ask with `crossorigin`, may have it, too.
    b"Cross-Origin-Resource-Policy: cross-origin\r\nAccess-Control-Allow-Origin: *\r\n"
)
_EMPTY = b"// Nothing to do.\n"

# `put` keeps the other parameters byte for byte, as a marketer has encoded them; a tid of the
# link's own stays, an empty one does not count: both as in rules/destination.py.
_SCRIPT = rb"""(function(d,i,p){
"use strict";
if(d.hopfleet)return;
d.hopfleet=i;
function url(a){try{return new URL(a,d.baseURI)}catch(e){}}
var s=d.currentScript,hosts=[url(s&&s.src),url(p)].map(function(u){return u&&u.host});
function put(u,n,keep){
var q=u.search.slice(1).split("&"),k=q.filter(function(x){
var m=x.split("=");
return x&&(m[0].toLowerCase()!=n||keep&&m[1])});
if(!keep||!k.some(function(x){return x.split("=")[0].toLowerCase()==n}))k.push(n+"="+i);
u.search=k.join("&")}
function mark(a){
var u=a&&typeof a.href=="string"&&/^https?:/i.test(a.href)&&url(a.href);
if(!u)return;
if(hosts.indexOf(u.host)>=0&&/^\/r\/./.test(u.pathname))put(u,"click_id");
else if(/(^|\.)hop\.clickbank\.net\.?$/.test(u.hostname)){put(u,"extclid");put(u,"tid",1)}
else return;
if(u.href!=a.href)a.href=u.href}
function all(){[].forEach.call(d.links,mark)}
function used(e){e.composedPath().forEach(function(a){if(/^(a|area)$/i.test(a.tagName))mark(a)})}
["mousedown","touchstart","click","auxclick","contextmenu"].forEach(function(n){
d.addEventListener(n,used,{capture:true,passive:true})});
all();
d.addEventListener("DOMContentLoaded",all)
})(document,"%b",%b);
"""


def marking(click_id: str, url: str) -> bytes:
    """The answer whose script marks links with `click_id`; promises that the view is on disk.

    `url` is what visitors put before `/r/…`; links of the host that served the script count, too.
    """
    body = _SCRIPT % (click_id.encode(), _literal(url))
    return response(200, b"X-Click-Id: %b\r\n%b" % (click_id.encode(), _HEADERS), body)


def empty() -> bytes:
    """The answer of a script that does nothing, for pages whose view is not recorded."""
    return response(200, _HEADERS, _EMPTY)


@cache
def _literal(url: str) -> bytes:
    """The address's origin as a JavaScript string that stays one where it is pasted into HTML."""
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    if len(origin.encode()) > _MOST_ORIGIN_BYTES:
        origin = ""
    return orjson.dumps(origin).replace(b"<", b"\\u003c").replace(b">", b"\\u003e")
