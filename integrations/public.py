"""Which addresses are the internet's, and which are a network's own.

Python's `is_global` and `is_private` are not enough: among others, NAT64 and 6to4 addresses that
lead to 127.0.0.1 are global to them.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from base.settings import Networks

Address = IPv4Address | IPv6Address

# IANA's registries of special-purpose addresses, and what carries an IPv4 address inside.
_REFUSED = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
        "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23",
        "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16", "fec0::/10",
    )
)  # fmt: skip


def parsed(text: str) -> Address | None:
    """An address from its usual text, a v4-mapped one as what it is; None for anything else."""
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found


def is_public(address: Address, allowed: Networks = ()) -> bool:
    """Whether anybody on the internet has it, or it lies in a network that is `allowed`."""
    if any(address in network for network in allowed):
        return True
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    if isinstance(address, IPv6Address) and address.is_site_local:
        return False
    return not any(address in network for network in _REFUSED)
