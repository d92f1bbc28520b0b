"""Where a webhook may go and what its owner may put on it: pure rules, asked at creation and again before every hop.

A URL is parsed once, by urllib3, and what two parsers could read differently is refused instead of repaired: white
space, backslashes, userinfo, percent signs or non-ASCII letters in the host, a trailing dot, and numeric hosts in any
spelling but the canonical one (glibc also takes `2130706433`, `0x7f.1`, `0177.1` and `127.1`). The path and query
travel as they were given, because receivers check signatures over their text; only non-ASCII letters are
percent-encoded.

Addresses are judged by lists of our own, from the IANA special-purpose registries: `ipaddress.is_private` and
`is_global` misjudge several ranges on Python 3.11. Names are judged by what they resolve to, in `delivery.guard`.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from urllib.parse import quote

from urllib3.exceptions import LocationValueError
from urllib3.util import Url, parse_url

from chalicelib.scheduling.errors import Invalid, TooLarge

IPAddress = IPv4Address | IPv6Address

MAX_URL = 2048
MAX_HEADERS = 50
MAX_HEADER_BYTES = 8 * 1024
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Reach(StrEnum):
    """How far from home a webhook must go."""

    PUBLIC = "public"
    LOCAL = "local"  # loopback too: for a service that runs on a developer's own machine, and nowhere else


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressPolicy:
    """What is allowed beyond the fixed rules. `own_hosts`: the names of our own API, in lower case.

    `own_ports`: where a developer's machine has the engine behind us, which does whatever it is told.
    """

    reach: Reach = Reach.PUBLIC
    own_hosts: frozenset[str] = frozenset()
    own_ports: frozenset[int] = frozenset()

    def also_own(self, host: str) -> "AddressPolicy":
        """With one more name of our API. A developer's machine has other servers under the same name: not there."""
        return self if self.reach is Reach.LOCAL else replace(self, own_hosts=self.own_hosts | {host.lower()})


PUBLIC_ONLY = AddressPolicy()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A checked URL: `host` is lower-case ASCII without brackets, `target` what stands in the request line."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def address(self) -> IPAddress | None:
        """The address the host spells out, if it is no name."""
        return _literal(self.host)

    @property
    def authority(self) -> str:
        """The Host header: brackets around IPv6, the port where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def check_url(url: str, *, field: str, policy: AddressPolicy = PUBLIC_ONLY) -> None:
    """Refuses (Invalid, TooLarge) a URL that no webhook may have, as far as that shows without a name lookup."""
    read_url(url, field=field, policy=policy)


def read_url(url: str, *, field: str = "url", policy: AddressPolicy = PUBLIC_ONLY) -> Place:
    """The place a URL names; raises Invalid or TooLarge where `check_url` does."""
    return _read(url, field, policy)


@lru_cache(maxsize=1024)  # a job that recurs has the same one at each firing
def _read(url: str, field: str, policy: AddressPolicy) -> Place:
    if len(url) > MAX_URL:
        raise TooLarge(field, f"must have at most {MAX_URL} characters")
    if AMBIGUOUS.search(url):
        raise Invalid(field, "must not contain white space, control characters or backslashes")
    base, target = _split(url)
    return replace(_root(base, field, policy), target=target)


@lru_cache(maxsize=1024)  # and many jobs have the same host
def _root(base: str, field: str, policy: AddressPolicy) -> Place:
    """The place of scheme and authority alone."""
    parsed = _parsed(base, field)
    if not base.isascii() or "@" in base or "%" in base:
        raise Invalid(field, "must have a plain ASCII host, without user name or percent signs")
    scheme, host = parsed.scheme or "", _host(parsed.host or "", field)
    place = Place(scheme=scheme, host=host, port=_port(parsed.port, scheme, field), target="/")
    _refuse_special(place, field, policy)
    return place


def is_allowed(address: IPAddress, policy: AddressPolicy = PUBLIC_ONLY) -> bool:
    """Whether a webhook may connect to an address. An IPv4-mapped IPv6 address is judged as the IPv4 address it is."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return is_allowed(address.ipv4_mapped, policy)
        return _is_open_loopback(address, policy) or (address in GLOBAL_V6 and not _within(address, REFUSED_V6))
    return _is_open_loopback(address, policy) or not _within(address, REFUSED_V4)


def check_method(method: str, *, field: str, allowed: Collection[str] = METHODS) -> None:
    """Refuses a method that is not in a dialect's list, or in nobody's: CONNECT and TRACE never are."""
    if method not in allowed or method not in METHODS:
        raise Invalid(field, f"must be one of {', '.join(name for name in METHODS if name in allowed)}")


def ascii_upper(method: str) -> str:
    """In capitals; letters that are not ASCII stay, so that none of them becomes one that is."""
    return "".join(letter.upper() if letter.isascii() else letter for letter in method)


def check_headers(headers: Iterable[tuple[str, str]], *, field: str) -> None:
    """Refuses headers that are too many, too long, malformed, or ours to set."""
    pairs = tuple(headers)
    if len(pairs) > MAX_HEADERS:
        raise TooLarge(field, f"must be at most {MAX_HEADERS}")
    if sum(len(name) + len(value) + len(": \r\n") for name, value in pairs) > MAX_HEADER_BYTES:
        raise TooLarge(field, f"must have at most {MAX_HEADER_BYTES} bytes in all")
    for name, value in pairs:
        if not TOKEN.fullmatch(name):
            raise Invalid(field, "must have names of letters, digits and hyphens")
        if not VISIBLE.fullmatch(value):
            raise Invalid(field, f"must have values of visible ASCII characters, spaces and tabs: {name}")
        if _is_reserved(name):
            raise Invalid(field, f"must not set {name}")


# White space, C0 and C1 controls, the line and paragraph separators, lone surrogates, the backslash.
AMBIGUOUS = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029\ud800-\udfff\\]")
END_OF_AUTHORITY = re.compile(r"[/?]")
LABEL = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
NAME = re.compile(rf"(?=.{{1,253}}$){LABEL}(?:\.{LABEL})*")
ENDS_IN_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")  # what glibc may take for an IPv4 address
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
VISIBLE = re.compile(r"[\t\x20-\x7e]*")
KEPT_IN_TARGET = "".join(chr(code) for code in range(0x21, 0x7F))

DEFAULT_PORTS = {"http": 80, "https": 443}
# The Fetch standard's "bad ports", which speak other protocols, then 0, and what a Lambda finds at home: the X-Ray
# daemon, the parameters extension, the runtime API.
CLOSED_PORTS = frozenset(
    (
        *(1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109),
        *(110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530),
        *(531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045),
        *(4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080),
        *(0, 2000, 2773, 9001),
    )
)

REFUSED_V4 = tuple(
    ip_network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"),
        *("192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
        *("224.0.0.0/4", "240.0.0.0/4"),
    )
)
GLOBAL_V6 = ip_network("2000::/3")
REFUSED_V6 = tuple(ip_network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))
LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))

RESERVED_HEADERS = frozenset(
    (
        *("host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade"),
        *("expect", "forwarded", "x-rlatr-signature", "x-content-signature"),
    )
)
RESERVED_PREFIXES = ("proxy-", "x-forwarded-", "webhook-")


def _parsed(url: str, field: str) -> Url:
    try:
        parsed = parse_url(url)
    except LocationValueError:
        raise Invalid(field, "is not a URL") from None
    if parsed.scheme not in DEFAULT_PORTS:
        raise Invalid(field, "must begin with http:// or https://")
    if not parsed.host:
        raise Invalid(field, "must have a host")
    return parsed


def _split(url: str) -> tuple[str, str]:
    """Scheme and authority, and the request target: path and query. As written, without the fragment."""
    scheme, mark, rest = url.partition("#")[0].partition("://")
    authority = END_OF_AUTHORITY.split(rest, maxsplit=1)[0]
    target = quote(rest[len(authority) :], safe=KEPT_IN_TARGET)
    return f"{scheme}{mark}{authority}", target if target.startswith("/") else f"/{target}"


def _host(host: str, field: str) -> str:
    name = host.lower()
    if name.startswith("["):
        address = _literal(name[1:-1])
        if address is None:
            raise Invalid(field, "must have an IPv6 address between its brackets")
        return str(address)
    if ENDS_IN_NUMBER.fullmatch(name):
        if _literal(name) is None:
            raise Invalid(field, "must spell an IPv4 address as four decimal numbers")
        return name
    if not NAME.fullmatch(name):
        raise Invalid(field, "must have a host name of letters, digits, hyphens and dots")
    return name


def _port(port: int | None, scheme: str, field: str) -> int:
    if port is None:
        return DEFAULT_PORTS[scheme]
    if port in CLOSED_PORTS:
        raise Invalid(field, f"must not use port {port}")
    return port


def _refuse_special(place: Place, field: str, policy: AddressPolicy) -> None:
    if place.host in policy.own_hosts or place.port in policy.own_ports:
        raise Invalid(field, "must not point to this service")
    address = place.address
    loopback_name = place.host == "localhost" or place.host.endswith(".localhost")
    if (loopback_name and policy.reach is not Reach.LOCAL) or (address and not is_allowed(address, policy)):
        raise Invalid(field, "must not point to a private or special address")


@lru_cache(maxsize=1024)
def _literal(host: str) -> IPAddress | None:
    try:
        return IPv6Address(host) if ":" in host else IPv4Address(host)
    except ValueError:
        return None


def _is_open_loopback(address: IPAddress, policy: AddressPolicy) -> bool:
    return policy.reach is Reach.LOCAL and _within(address, LOOPBACK)


def _within(address: IPAddress, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    return any(address in network for network in networks)


def _is_reserved(name: str) -> bool:
    """Servers behind CGI and WSGI read `Content_Length` as `Content-Length`, so both are ours."""
    spelled = name.lower().replace("_", "-")
    return spelled in RESERVED_HEADERS or spelled.startswith(RESERVED_PREFIXES)
