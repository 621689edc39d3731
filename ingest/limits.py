"""Rate limits of one process: per network of visitors, per tenant, per API key.

Each is a meter that counts in time: an event puts a key's clock forward by what one event may
take, and a clock too far ahead of ours is over its limit. One look and one write an event, in
maps of bounded size, no store: what limits cannot fail with Redis, and N processes allow N times
as much. About 0.25 µs a visit, for its network and its tenant together.
"""

import ipaddress
from collections.abc import Callable
from functools import lru_cache

from base.clock import steady
from base.settings import Networks, Settings
from rules.addresses import parse

BURST_SECONDS = 10.0  # how much of its rate a key may use at once
MOST_KEYS = 40_000  # a meter's bound; some 8 MB
_REMEMBERED = 2.0  # a flood counts as one until its key was quiet for so many bursts less one

# What a verdict is made of; 0 is the usual one.
BURST, DROP_NETWORK, DROP_TENANT, BEYOND_SHARE = 1, 2, 4, 8
DROP = DROP_NETWORK | DROP_TENANT

# Addresses of proxies, containers and ourselves: behind them stand many visitors, or a benchmark.
_NO_VISITORS = tuple(
    ipaddress.ip_network(each)
    for each in (
        "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16",
        "100.64.0.0/10", "::1/128", "fc00::/7", "fe80::/10",
    )
)  # fmt: skip


class Meter:
    """Keys and how far ahead of now each one's clock is, in seconds of `steady`.

    The newer half of the keys is in `recent`, the others in an older map that is dropped as a
    whole: a key in use is always found, one of a flood of keys is forgotten.
    """

    def __init__(self, per_second: float, room: int = MOST_KEYS) -> None:
        self.interval = 1 / per_second if per_second else 0.0  # without a limit nothing adds up
        self.recent: dict[str, float] = {}
        self._older: dict[str, float] = {}
        self._room = room

    def older(self, key: str) -> float:
        """The clock of a key that is not in `recent`, which has room for it afterwards."""
        if len(self.recent) >= self._room // 2:
            self.recent, self._older = {}, self.recent
        return self._older.get(key, 0.0)

    def add(self, key: str, count: int, now: float, most_seconds: float = 3600.0) -> float:
        """Count events; returns how many seconds the key is ahead, `most_seconds` at most."""
        at = self.recent.get(key)
        if at is None:
            at = self.older(key)
        at = min(max(at, now) + count * self.interval, now + most_seconds)
        self.recent[key] = at
        return at - now

    def ahead(self, key: str, now: float) -> float:
        """How many seconds the key is ahead; 0 when it is not."""
        at = self.recent.get(key)
        return max(0.0, (self.older(key) if at is None else at) - now)

    def allows(self, key: str, now: float) -> bool:
        """Count one event unless the key has used up its burst."""
        if self.ahead(key, now) >= BURST_SECONDS:
            return False
        self.add(key, 1, now)
        return True

    def __len__(self) -> int:
        return len(self.recent) + len(self._older)


class Limits:
    """All meters of a door."""

    def __init__(self, chosen: Settings, clock: Callable[[], float] = steady) -> None:
        """`clock` gives seconds that only go forward; an event loop's is quickest."""
        self._clock = clock
        burst, most = chosen.limit_network_burst, chosen.limit_network
        self._marks = bool(burst) and (burst < most or not most)
        self._networks = Meter(burst if self._marks else most)
        self._hard_networks = Meter(chosen.limit_network)
        share, most = chosen.limit_tenant_share, chosen.limit_tenant
        self._shares = bool(share) and (share < most or not most)
        self._hard_tenants = Meter(most)
        self._tenants = Meter(share) if self._shares else self._hard_tenants
        self._keys = Meter(chosen.limit_key)
        self._claims = Meter(chosen.limit_claim)
        self._is_visitors = _visitors(chosen.trusted_proxies)

    def visit(self, network: str, user_id: str) -> int:
        """Count one visit; 0, or the sum of what is to be done with it.

        `network` is the visitor's truncated address. BURST: keep it, but as no person's;
        BEYOND_SHARE: keep it where it holds up no other tenant; DROP_NETWORK, DROP_TENANT: do not
        keep it.
        """
        # The usual way through, without a call more than needed.
        now = self._clock()
        meter = self._networks
        networks = meter.recent
        at = networks.get(network)
        if at is None:
            at = meter.older(network)
            networks = meter.recent
        networks[network] = at = (at if at > now else now) + meter.interval
        meter = self._tenants
        tenants = meter.recent
        of_tenant = tenants.get(user_id)
        if of_tenant is None:
            of_tenant = meter.older(user_id)
            tenants = meter.recent
        tenants[user_id] = of_tenant = (of_tenant if of_tenant > now else now) + meter.interval
        most = now + BURST_SECONDS
        if at < most and of_tenant < most:
            return 0
        verdict = self._of_network(network, at, now) if at >= most else 0
        if of_tenant >= most:
            verdict |= self._of_tenant(network, user_id, of_tenant, now)
        return verdict

    def _of_network(self, network: str, at: float, now: float) -> int:
        """What becomes of a visit from a network that sends more than visitors would."""
        meter = self._networks
        if not self._is_visitors(network):
            meter.recent[network] = now  # so that a benchmark comes here seldom
            return 0
        if not self._marks:
            meter.recent[network] = at - meter.interval
            return DROP_NETWORK
        meter.recent[network] = min(at, now + _REMEMBERED * BURST_SECONDS)
        return BURST if self._hard_networks.allows(network, now) else DROP_NETWORK

    def _of_tenant(self, network: str, user_id: str, at: float, now: float) -> int:
        """What becomes of a visit to a tenant that has more than its share."""
        meter = self._tenants
        if not self._shares:
            meter.recent[user_id] = at - meter.interval  # what is not kept does not count
            return DROP_TENANT
        meter.recent[user_id] = min(at, now + _REMEMBERED * BURST_SECONDS)
        if self._hard_tenants.allows(user_id, now) or not self._is_visitors(network):
            return BEYOND_SHARE
        return DROP_TENANT

    def shared(self, network: str) -> str:
        """The truncated address of visitors; empty for one that many share, as proxies' are."""
        return network if self._is_visitors(network) else ""

    def claim(self, network: str, receipt: str) -> bool:
        """Count one claim of a network and of a receipt; whether it may be kept."""
        now = self._clock()
        is_one = self._is_visitors(network)
        return (not is_one or self._claims.allows(network, now)) and self._claims.allows(
            receipt, now
        )

    def wait_seconds(self, digest: str, user_id: str) -> float:
        """How long a server has to wait before its key and tenant may post again; 0: not at all."""
        now = self._clock()
        ahead = max(self._keys.ahead(digest, now), self._hard_tenants.ahead(user_id, now))
        return max(0.0, ahead - BURST_SECONDS)

    def posted(self, digest: str, user_id: str, count: int) -> bool:
        """Count the items of one post; whether their tenant has more than its share."""
        now = self._clock()
        self._keys.add(digest, count, now)
        if not self._shares:
            self._tenants.add(user_id, count, now)
            return False
        ahead = self._tenants.add(user_id, count, now, _REMEMBERED * BURST_SECONDS)
        if ahead < BURST_SECONDS:
            return False
        self._hard_tenants.add(user_id, count, now)
        return True


def _visitors(trusted: Networks) -> Callable[[str], bool]:
    """A function that says whether visitors of a truncated address are told apart by it."""
    ours: Networks = (*_NO_VISITORS, *trusted)

    @lru_cache(MOST_KEYS // 8)
    def is_visitors(network: str) -> bool:
        address = parse(network)
        if address is None:
            return False
        whole = ipaddress.ip_network(f"{address}/{24 if address.version == 4 else 48}")
        return not any(whole.version == each.version and whole.overlaps(each) for each in ours)

    return is_visitors
