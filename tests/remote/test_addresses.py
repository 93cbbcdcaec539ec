"""Where may be connected to: addresses, names that lie, redirects inside. And which URLs."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from snapengine.errors import InvalidOption, SnapError, SourceDenied, SourceError, SourceNotFound
from snapengine.model.network import Network
from snapengine.sources.addresses import AddressPolicy
from snapengine.sources.http import HttpFetcher
from snapengine.sources.http_connect import connect
from snapengine.sources.http_connection import Waiting
from snapengine.sources.http_url import parse_url
from snapengine.sources.meter import Meter

from .fault_server import FaultServer, leftovers, redirect

DATA = bytes(range(256)) * 40
PUBLIC = ["1.1.1.1", "93.184.215.14", "192.0.1.1", "100.128.0.1", "172.32.0.1", "2606:4700::1111",
          "2a00:1450:4001:80b::200e", "::ffff:1.1.1.1", "64:ff9b::101:101", "2002:101:101::1",
          "2001:4860:4860::8888", "168.63.129.15"]  # fmt: skip
REFUSED = {
    "127.0.0.1": "loopback", "127.8.9.1": "loopback", "::1": "loopback",
    "10.0.0.1": "private", "172.16.0.1": "private", "172.31.255.255": "private",
    "192.168.1.1": "private", "169.254.169.254": "metadata", "169.254.1.1": "link-local",
    "100.64.0.1": "carrier", "100.100.100.200": "carrier", "192.0.0.192": "reserved",
    "192.0.2.1": "documentation", "198.18.0.1": "benchmark", "198.19.255.255": "benchmark",
    "198.51.100.7": "documentation", "203.0.113.7": "documentation", "240.0.0.1": "reserved",
    "168.63.129.16": "metadata", "192.88.99.1": "relay",
    "fd00:ec2::254": "metadata", "fd12::1": "unique local", "fc00::1": "unique local",
    "fe80::1": "link-local", "fe80::1%eth0": "link-local", "fec0::1": "site-local",
    "2001:db8::1": "documentation", "3fff::1": "documentation", "2001:2::1": "reserved",
    "100::1": "reserved", "4000::1": "reserved", "5f00::1": "segment", "2001:10::1": "reserved",
    # IPv4 inside of IPv6: mapped, compatible, 6to4, translated, Teredo, ISATAP.
    "::ffff:127.0.0.1": "loopback", "::ffff:10.0.0.1": "private", "::127.0.0.1": "reserved",
    "::ffff:169.254.169.254": "metadata", "2002:7f00:1::1": "loopback",
    "2002:a9fe:a9fe::": "metadata", "64:ff9b::7f00:1": "loopback",
    "64:ff9b::a9fe:a9fe": "metadata", "64:ff9b:1::1.1.1.1": "local translation",
    "64:ff9b:1:7f00:0:100::": "local translation", "2001:0:102:304::f5ff:fffe": "Teredo",
    "2a00:1450::5efe:10.0.0.1": "private", "2a00:1450::200:5efe:7f00:1": "loopback",
}  # fmt: skip
NOBODY = ["0.0.0.0", "0.1.2.3", "::", "224.0.0.1", "239.1.1.1", "ff02::1", "255.255.255.255",
          "::ffff:0.0.0.0", "::ffff:224.0.0.1", "2002:e000:1::", "64:ff9b::", "no address",
          ""]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_the_public_internet_is_open(address: str) -> None:
    assert AddressPolicy(Network()).refusal(address) is None


@pytest.mark.parametrize("address", REFUSED)
def test_others_are_refused_unless_allowed(address: str) -> None:
    kind = AddressPolicy(Network()).refusal(address)
    assert kind is not None and REFUSED[address] in kind
    assert AddressPolicy(Network(allow_private=True)).refusal(address) is None


@pytest.mark.parametrize("address", NOBODY)
def test_what_means_no_one_host_is_always_refused(address: str) -> None:
    everything = Network(allow_private=True, allow_networks=("0.0.0.0/0", "::/0"))
    assert AddressPolicy(Network()).refusal(address)
    assert AddressPolicy(everything).refusal(address)


def test_networks_are_allowed_one_by_one() -> None:
    policy = AddressPolicy(Network(allow_networks=("10.1.0.0/16", "fd12::/16")))
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3", "fd12::5", "fd12::5%lo"):
        assert policy.refusal(address) is None, address
    for address in ("10.2.0.1", "127.0.0.1", "::1", "fd13::1", "64:ff9b::10.2.0.1"):
        assert policy.refusal(address), address


def test_ipv4_in_every_translation_prefix_form() -> None:
    policy = AddressPolicy(Network(allow_networks=("64:ff9b:1::/48", "10.0.0.0/8")))
    assert policy.refusal("64:ff9b:1::10.0.0.1") is None
    assert policy.refusal("64:ff9b:1:a00:0:100::") is None  # 10.0.0.1 around bit 64
    assert policy.refusal("64:ff9b:1::127.0.0.1") == "loopback"
    assert policy.refusal("64:ff9b:1:7f00:0:100::") == "loopback"


# Through names ---------------------------------------------------------------------------------


class Names:
    """A resolver with a script: each call takes the next answer, the last one stays."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self.answers = {name.replace("_", "."): list(a) for name, a in answers.items()}
        self.asked: list[str] = []

    def __call__(self, host: str, port: int, **_: object) -> list[tuple[Any, ...]]:
        self.asked.append(host)
        script = self.answers.get(host)
        if script is None:
            return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = script.pop(0) if len(script) > 1 else script[0]
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [
            (socket.AF_INET6, 1, 6, "", (a, port, 0, 0))
            if ":" in a
            else (socket.AF_INET, 1, 6, "", (a, port))
            for a in addresses
        ]


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    before = leftovers()
    yield
    assert leftovers() == before


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer({"/v.mp4": DATA}) as server:
        yield server


def read(url: str, network: Network, names: Callable[..., Any], size: int = 100) -> bytes:
    got = bytearray()
    fetcher = HttpFetcher(url, network, resolve=names, pause=0.01)
    try:
        fetcher.fetch(0, size, got.extend, Meter())
    finally:
        fetcher.close()
    return bytes(got)


def test_a_name_that_leads_inside_is_refused_and_said_so(server: FaultServer) -> None:
    names = Names(evil_test=[["127.0.0.1"]])
    with pytest.raises(SourceDenied, match=r"evil\.test is at 127\.0\.0\.1.*allow_private") as info:
        read(server.url("/v.mp4?token=secret", host="evil.test"), Network(), names)
    assert info.value.context["address"] == "127.0.0.1"
    assert "secret" not in str(info.value)
    assert not server.requests and not server.connections


def test_the_allowed_network_alone_is_enough(server: FaultServer) -> None:
    network = Network(allow_networks=("127.0.0.1/32",))
    assert read(server.url("/v.mp4"), network, Names()) == DATA[:100]


def test_rebinding_changes_nothing(server: FaultServer) -> None:
    """The name is looked up once per connection, and what was judged is connected to."""
    network = Network(allow_networks=("127.0.0.1/32",), retries=0)
    names = Names(evil_test=[["127.0.0.1"], ["127.0.0.2"]])
    url = server.url("/v.mp4", host="evil.test")
    assert read(url, network, names) == DATA[:100]
    assert names.asked == ["evil.test"]
    with pytest.raises(SourceDenied, match=r"127\.0\.0\.2"):
        read(url, network, names)


def test_rebinding_between_two_ranges(server: FaultServer) -> None:
    network = Network(allow_networks=("127.0.0.1/32",))
    names = Names(evil_test=[["127.0.0.1"], ["10.0.0.1"]])
    fetcher = HttpFetcher(server.url("/v.mp4", host="evil.test"), network, resolve=names)
    got = bytearray()
    fetcher.fetch(0, 10, got.extend, Meter())
    server.drop_connections()
    with pytest.raises(SourceDenied, match=r"10\.0\.0\.1"):
        fetcher.fetch(10, 10, got.extend, Meter())
    fetcher.close()
    assert bytes(got) == DATA[:10]


def test_the_address_that_was_reached_is_judged_too(server: FaultServer) -> None:
    """Whatever the system made of the address: the judge here lets the first question pass."""

    class Judge(AddressPolicy):
        asked = 0

        def refusal(self, address: str) -> str | None:
            self.asked += 1
            return None if self.asked == 1 else super().refusal(address)

    judge = Judge(Network())
    origin = parse_url(server.url("/v.mp4"), frozenset({"http"})).origin
    with pytest.raises(SourceDenied, match="loopback"):
        connect(
            origin, judge, socket.getaddrinfo, ssl.create_default_context,
            Waiting(Meter(), 5, "x"), 5,
        )  # fmt: skip
    assert judge.asked == 2


def test_of_a_mixed_answer_only_the_allowed_address_is_used(server: FaultServer) -> None:
    network = Network(allow_networks=("127.0.0.1/32",))
    names = Names(mixed_test=[["10.0.0.1", "::1", "127.0.0.1", "169.254.169.254"]])
    assert read(server.url("/v.mp4", host="mixed.test"), network, names) == DATA[:100]


def test_the_next_address_is_tried_when_one_does_not_answer(server: FaultServer) -> None:
    names = Names(two_test=[["127.0.0.9", "127.0.0.1"]])  # nobody listens at the first
    url = server.url("/v.mp4", host="two.test")
    assert read(url, Network(allow_private=True), names) == DATA[:100]
    assert [r.headers["host"] for r in server.requests] == [f"two.test:{server.port}"]


@pytest.mark.parametrize("spelling", ["127.1", "0x7f.1", "2130706433", "017700000001", "0"])
def test_odd_spellings_of_addresses_are_judged_by_what_they_mean(spelling: str) -> None:
    with pytest.raises(SourceDenied, match="not of the public Internet"):
        read(f"http://{spelling}:1/v.mp4", Network(), socket.getaddrinfo)


@pytest.mark.parametrize("host", ["[::1]", "[::ffff:127.0.0.1]", "[fe80::1%25lo]", "[::7f00:1]"])
def test_ipv6_literals(host: str) -> None:
    with pytest.raises(SourceDenied):
        read(f"http://{host}:1/v.mp4", Network(), socket.getaddrinfo)


def test_zero_does_not_mean_loopback_even_where_private_is_allowed(server: FaultServer) -> None:
    for host in ("0.0.0.0", "[::]", "[::ffff:0.0.0.0]"):
        with pytest.raises(SourceDenied):
            read(server.url("/v.mp4", host=host), Network(allow_private=True), socket.getaddrinfo)
    assert not server.connections


def test_ipv6_is_read(server: FaultServer) -> None:
    with FaultServer({"/v.mp4": DATA}, host="::1") as six:
        url = six.url("/v.mp4")
        assert read(url, Network(allow_networks=("::1/128",)), Names()) == DATA[:100]
        assert six.requests[0].headers["host"] == f"[::1]:{six.port}"


def test_no_such_host() -> None:
    with pytest.raises(SourceNotFound, match=r"nobody\.test"):
        read("http://nobody.test/v.mp4", Network(), Names(nobody_test=[[]]))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_judged_at_each_hop(server: FaultServer, status: int) -> None:
    names = Names(public_test=[["127.0.0.1"]], inside_test=[["127.0.0.2"]])
    network = Network(allow_networks=("127.0.0.1/32",))
    server.faults.append(redirect(f"http://inside.test:{server.port}/v.mp4", status))
    with pytest.raises(SourceDenied, match=r"inside\.test is at 127\.0\.0\.2"):
        read(server.url("/v.mp4", host="public.test"), network, names)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("to", "error"),
    [
        ("file:///etc/passwd", SourceDenied),
        ("ftp://public.test/x", SourceDenied),
        ("s3://bucket/x", SourceDenied),
        ("gopher://127.0.0.1:6379/_INFO", SourceDenied),
        ("javascript:alert(1)", SourceDenied),
        ("http://user:pw@public.test/x", SourceDenied),
        ("http://169.254.169.254/latest/meta-data", SourceDenied),
        ("http://[fd00:ec2::254]/latest", SourceDenied),
        ("http://[::ffff:169.254.169.254]/latest", SourceDenied),
        ("//0/v.mp4", SourceDenied),
        ("http://", SourceError),
        ("http://[::1", SourceError),
        ("http://a b/", SourceError),
        ("http://public.test:99999/", SourceError),
        ("", SourceError),
    ],
)
def test_redirects_that_must_not_be_followed(
    server: FaultServer, to: str, error: type[SnapError]
) -> None:
    names = Names(public_test=[["127.0.0.1"]])
    network = Network(allow_networks=("127.0.0.1/32",))
    server.faults.append(redirect(to))
    with pytest.raises(error) as info:
        read(server.url("/v.mp4?sig=secret", host="public.test"), network, names)
    assert type(info.value) is error
    assert "secret" not in str(info.value) and "pw" not in str(info.value)
    assert len(server.requests) == 1


def test_a_scheme_that_is_not_offered_is_not_redirected_to(server: FaultServer) -> None:
    network = Network(allow_private=True, schemes=frozenset({"http"}))
    server.faults.append(redirect(server.url("/v.mp4").replace("http:", "https:")))
    with pytest.raises(SourceDenied, match="'https'"):
        read(server.url("/v.mp4"), network, Names())


# URLs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a/b", "a/b", "", "http://", "http:///path", "http://a:0/", "http://a:99999/",
        "http://a:port/", "http://a\r\nX: y/", "http://a/\0", " http://a/", "http://a/ ",
        "http://[::1/", "http://[::g]/", "http://a b/", "http://-a/", "http://a..b/\x7f",
        "http://" + "a" * 254 + "/", "http://\u2100\u2100/", "http://user:se/cret@host/",
    ],
)  # fmt: skip
def test_unusable_urls_are_refused_before_any_io(url: str) -> None:
    def never(*_: object, **__: object) -> Any:
        raise AssertionError("looked up")

    with pytest.raises(InvalidOption) as info:
        HttpFetcher(url, Network(), resolve=never)
    assert "cret" not in str(info.value)
    assert info.value.__cause__ is None


@pytest.mark.parametrize(
    ("url", "target", "host", "name"),
    [
        ("http://a", "/", "a", "http://a/"),
        ("HTTP://A.B:80/x?q=1#f", "/x?q=1", "a.b", "http://a.b/x"),
        ("https://a:8443/x", "/x", "a:8443", "https://a:8443/x"),
        ("http://a/b c/\u00e4?k=\u00e4 b", "/b%20c/%C3%A4?k=%C3%A4%20b", "a",
         "http://a/b%20c/%C3%A4"),
        ("http://a/%2F%zz", "/%2F%zz", "a", "http://a/%2F%zz"),
        ("http://b\u00fccher.example/", "/", "xn--bcher-kva.example",
         "http://xn--bcher-kva.example/"),
        ("http://u:p@a/x?s=secret", "/x?s=secret", "a", "http://a/x"),
        ("http://[2001:DB8::1]:81/", "/", "[2001:db8::1]:81", "http://[2001:db8::1]:81/"),
        ("http://[fe80::1%25eth0]/", "/", "[fe80::1]", "http://[fe80::1%eth0]/"),
        ("http://a/\\..\\x", "/%5C..%5Cx", "a", "http://a/%5C..%5Cx"),
    ],
)  # fmt: skip
def test_what_is_asked_for_and_what_is_shown(url: str, target: str, host: str, name: str) -> None:
    place = parse_url(url, frozenset({"http", "https"}))
    assert (place.target, place.host_header, place.name) == (target, host, name)
    assert "secret" not in repr(place) and "Basic" not in repr(place)


def test_a_scheme_that_is_not_in_the_list_is_refused() -> None:
    with pytest.raises(InvalidOption, match="http"):
        HttpFetcher("http://a/", Network(schemes=frozenset({"https"})))
