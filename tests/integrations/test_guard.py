"""The guard: only the internet is dialled, and only the address that was checked."""

import asyncio
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_network
from typing import Any

import pytest
from dnslib import AAAA, QTYPE, RR, A, DNSRecord
from dnslib.server import BaseResolver, DNSLogger, DNSServer

from integrations.guard import Blocked, Guard
from ops.local.ports import free_port
from tests.web import web

LOOPBACK = (ip_network("127.0.0.0/8"),)
PUBLIC = ["1.1.1.1", "8.8.8.8", "2606:4700:4700::1111"]
# Every special range of IANA's registries, and where clouds keep their metadata.
PRIVATE = [
    "0.0.0.0", "0.1.2.3",  # noqa: S104
    "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.0.9",
    "169.254.169.254", "172.16.0.1", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.1.1",
    "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1",
    "255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::",
    "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1",
    "ff02::1", "[::]", "[::1]",
]  # fmt: skip
# What C libraries and browsers read as 127.0.0.1, or call this machine.
SPELLINGS = {
    "short": "127.1", "shorter": "127.0.1", "hex": "0x7f000001", "number": "2130706433",
    "octal": "0177.0.0.1", "hex-part": "0x7f.1", "zero": "0", "name": "localhost",
    "dot": "localhost.", "dotted": "127.0.0.1.",
    "full-width": "\uff11\uff12\uff17.\uff10.\uff10.\uff11",
    "circled": "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460",
    "ideographic-dot": "127\u30020\u30020\u30021",
}  # fmt: skip


def told(*addresses: str) -> Any:
    """A resolver that says so."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        return addresses

    return resolve


@pytest.mark.parametrize("address", PRIVATE, ids=PRIVATE)
def test_an_address_that_is_not_the_internets_is_refused(address: str) -> None:
    for host, guard in ((address, Guard()), ("name.example", Guard((), told(address.strip("[]"))))):
        with pytest.raises(Blocked, match="only the internet may be called"):
            asyncio.run(guard.addresses(host, 80))


@pytest.mark.parametrize("address", PUBLIC, ids=PUBLIC)
def test_the_internets_addresses_may_be_dialled(address: str) -> None:
    assert asyncio.run(Guard((), told(address)).addresses("name.example", 80)) == [address]


@pytest.mark.parametrize("host", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_no_spelling_of_this_machine_is_dialled(host: str) -> None:
    async def dial() -> None:
        (await Guard().dial(host, 80, 5)).close()

    with pytest.raises((Blocked, OSError), match=r"only the internet|cannot be looked up"):
        asyncio.run(dial())


def test_of_mixed_answers_only_the_internets_are_dialled() -> None:
    guard = Guard((), told("10.0.0.1", "1.1.1.1", "::1", "64:ff9b::7f00:1", "8.8.8.8"))

    assert asyncio.run(guard.addresses("mixed.example", 80)) == ["1.1.1.1", "8.8.8.8"]


def test_ten_thousand_answers_are_not_all_dialled() -> None:
    many = [f"1.1.{n // 250}.{n % 250 + 1}" for n in range(10_000)]

    assert len(asyncio.run(Guard((), told(*many)).addresses("many.example", 80))) == 8


def test_an_allowed_network_may_be_dialled_and_no_other() -> None:
    guard = Guard((ip_network("10.1.0.0/16"),), told("10.1.2.3", "10.2.0.1"))

    assert asyncio.run(guard.addresses("inside.example", 80)) == ["10.1.2.3"]


class Lying(BaseResolver):  # type: ignore[misc]
    """Answers each question with the next of its answers, and again with the last one."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def resolve(self, request: Any, handler: Any) -> Any:
        """Called by dnslib for each question."""
        self.asked.append(f"{request.q.qname} {QTYPE[request.q.qtype]}")
        reply = request.reply()
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        for text in found:
            kind, data = (QTYPE.AAAA, AAAA(text)) if ":" in text else (QTYPE.A, A(text))
            reply.add_answer(RR(request.q.qname, kind, rdata=data, ttl=0))
        return reply


@contextmanager
def name_server(resolver: Lying) -> Iterator[Any]:
    """A real one on loopback; gives the function that asks it."""
    port = free_port()
    server = DNSServer(resolver, port=port, address="127.0.0.1", logger=DNSLogger("-recv,-send"))
    server.start_thread()

    async def ask(host: str, _: int) -> Sequence[str]:
        question = DNSRecord.question(host).pack()
        raw = await asyncio.to_thread(_exchange, question, port)
        return [str(row.rdata) for row in DNSRecord.parse(raw).rr]

    try:
        yield ask
    finally:
        server.stop()
        server.server.server_close()


def _exchange(question: bytes, port: int) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(10)
        asking.sendto(question, ("127.0.0.1", port))
        return asking.recv(4096)


def test_a_name_server_that_changes_its_mind_is_asked_once_and_what_it_said_is_dialled() -> None:
    lying = Lying(["127.0.0.1"], ["127.0.0.2"])
    with web() as server, name_server(lying) as ask:

        async def dial() -> str:
            with await Guard(LOOPBACK, ask).dial("rebinding.example", server.port, 5) as made:
                return str(made.getpeername()[0])

        peer = asyncio.run(dial())

    assert peer == "127.0.0.1"
    assert lying.asked == ["rebinding.example. A"]


def test_a_name_server_that_says_public_then_private_leads_nowhere_private() -> None:
    lying = Lying(["1.1.1.1"], ["127.0.0.1"])
    with name_server(lying) as ask:
        first = asyncio.run(Guard((), ask).addresses("rebinding.example", 80))
        with pytest.raises(Blocked):
            asyncio.run(Guard((), ask).addresses("rebinding.example", 80))

    assert first == ["1.1.1.1"]
    assert len(lying.asked) == 2


def test_a_dead_address_before_a_living_one_costs_only_a_moment() -> None:
    with web() as server:

        async def dial() -> str:
            guard = Guard((ip_network("127.0.0.0/8"), ip_network("::1")), told("::1", "127.0.0.1"))
            with await guard.dial("two.example", server.port, 5) as made:
                return str(made.getpeername()[0])

        assert asyncio.run(dial()) == "127.0.0.1"


def test_a_name_server_that_says_nothing_costs_no_more_than_the_limit() -> None:
    async def never(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    with pytest.raises(OSError, match="not looked up in time"):
        asyncio.run(Guard((), never).dial("slow.example", 80, 0.2))
