"""Which addresses may be connected to: the public Internet, unless a ``Network`` allows more.

The registries are IANA's for special-purpose addresses (RFC 6890 and what followed). They are
written out here because ``ipaddress.is_global`` differs between the Pythons we run on (fixed in
3.11.10, 3.12.4) and calls some tunnels to private addresses global.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from ..model.network import Network

Address = IPv4Address | IPv6Address

#: Never connected to, whatever is allowed: they mean no one host. 0.0.0.0 would reach loopback.
_NOBODY = {
    "0.0.0.0/8": "unspecified",
    "::/128": "unspecified",
    "224.0.0.0/4": "multicast",
    "ff00::/8": "multicast",
    "255.255.255.255/32": "broadcast",
}
#: Not of the public Internet. The first that fits names it, so the narrow ones come first.
_SPECIAL_4 = {
    "127.0.0.0/8": "loopback",
    "10.0.0.0/8": "private",
    "172.16.0.0/12": "private",
    "192.168.0.0/16": "private",
    "169.254.169.254/32": "metadata",
    "169.254.0.0/16": "link-local",
    "100.64.0.0/10": "shared by a carrier",
    "192.0.0.0/24": "reserved for protocols",
    "192.0.2.0/24": "documentation",
    "198.51.100.0/24": "documentation",
    "203.0.113.0/24": "documentation",
    "192.88.99.0/24": "6to4 relay",
    "198.18.0.0/15": "benchmarking",
    "240.0.0.0/4": "reserved",
    # Public by its number, and answered by the host a virtual machine runs on (Azure).
    "168.63.129.16/32": "metadata",
}
_SPECIAL_6 = {
    "::1/128": "loopback",
    "fd00:ec2::254/128": "metadata",
    "fc00::/7": "unique local",
    "fe80::/10": "link-local",
    "fec0::/10": "site-local",
    "64:ff9b:1::/48": "local translation",
    "2001::/32": "Teredo",
    "2001::/23": "reserved for protocols",
    "2001:db8::/32": "documentation",
    "3fff::/20": "documentation",
    "5f00::/16": "segment routing",
}
_GLOBAL_6 = ip_network("2000::/3")
_NAT64 = ip_network("64:ff9b::/96")
_NAT64_LOCAL = ip_network("64:ff9b:1::/48")
#: Bits 64 to 95 of an ISATAP address (RFC 5214); the IPv4 address follows.
_ISATAP = (0x00005EFE, 0x02005EFE)


def _compiled(table: dict[str, str]) -> list[tuple[IPv4Network | IPv6Network, str]]:
    return [(ip_network(network), name) for network, name in table.items()]


_NOBODY_NETWORKS = _compiled(_NOBODY)
_SPECIAL_NETWORKS = _compiled({**_SPECIAL_4, **_SPECIAL_6})


class AddressPolicy:
    """Decides by the address alone, so it holds for whatever name led there. Immutable."""

    def __init__(self, network: Network) -> None:
        self._private = network.allow_private
        self._allowed = [ip_network(text) for text in network.allow_networks]

    def refusal(self, address: str) -> str | None:
        """What kind of address it is, if it may not be connected to; ``None`` if it may.

        ``address`` as ``getaddrinfo`` or ``getpeername`` gives it. IPv4 addresses inside of IPv6
        ones are judged too: a tunnel or translator would lead there.
        """
        try:
            whole = ip_address(address.partition("%")[0])
        except ValueError:
            return "no IP address"
        for view in _views(whole):
            kind = self._judge(view)
            if kind is not None:
                return kind
        return None

    def _judge(self, address: Address) -> str | None:
        for network, kind in _NOBODY_NETWORKS:
            if address in network:
                return kind
        if self._private or any(address in network for network in self._allowed):
            return None
        for network, kind in _SPECIAL_NETWORKS:
            if address in network:
                return kind
        if address.version == 6 and address not in _GLOBAL_6 and address not in _NAT64:
            return "reserved"
        return None


def _views(address: Address) -> Iterator[Address]:
    """The address and every IPv4 address that it carries."""
    if isinstance(address, IPv4Address):
        yield address
        return
    if address.ipv4_mapped is not None:
        # The system connects to the IPv4 address itself; there is no IPv6 to be judged.
        yield address.ipv4_mapped
        return
    yield IPv6Address(int(address))  # without a zone: it is no part of any network
    bits = int(address)
    last = IPv4Address(bits & 0xFFFFFFFF)
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    compatible = bits >> 32 == 0 and bits > 1  # "::a.b.c.d"; not "::" and "::1"
    if compatible or address in _NAT64 or (bits >> 32) & 0xFFFFFFFF in _ISATAP:
        yield last
    elif address in _NAT64_LOCAL:
        # RFC 6052 section 2.2: behind a prefix of 96 bits it comes last; one of 48 has it around
        # the byte at bit 64, and nothing behind it.
        around = IPv4Address(((bits >> 64) & 0xFFFF) << 16 | (bits >> 40) & 0xFFFF)
        yield around if bits & 0xFFFFFFFFFF == 0 else last
