"""Where webhooks may go: T18, T23 and T24 as tables."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from urllib3.util import parse_url

from chalicelib.scheduling import address
from chalicelib.scheduling.address import AddressPolicy, Place, Reach
from chalicelib.scheduling.errors import Invalid, TooLarge

LOCAL = AddressPolicy(reach=Reach.LOCAL)

REFUSED = (
    *("0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.100.100.200", "100.127.255.255"),  # noqa: S104 - refused, not bound
    *("127.0.0.1", "127.255.255.255", "169.254.169.254", "169.254.170.2", "172.16.0.0", "172.31.255.255"),
    *("192.0.0.0", "192.0.0.255", "192.0.2.0", "192.0.2.255", "192.88.99.0", "192.88.99.255", "192.168.0.0"),
    *("192.168.255.255", "198.18.0.0", "198.19.255.255", "198.51.100.0", "198.51.100.255", "203.0.113.0"),
    *("203.0.113.255", "224.0.0.0", "239.255.255.255", "240.0.0.0", "255.255.255.255"),
    *("::", "::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:a00:1", "::7f00:1", "64:ff9b::7f00:1"),
    *("64:ff9b:1::1", "100::1", "2001::1", "2001:1ff:ffff::1", "2001:db8::1", "2001:db8:ffff::1", "2002::1"),
    *("2002:7f00:1::", "3fff::1", "3fff:fff:ffff::1", "1fff:ffff::1", "4000::1", "5f00::1", "fc00::1", "fd00:ec2::254"),
    *("fe80::1", "febf::1", "fec0::1", "ff02::1"),
)
ALLOWED = (
    *(
        "1.0.0.0",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.254",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
    ),
    *("169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.1", "191.255.255.255", "192.0.1.0", "192.0.1.255"),
    *("192.0.3.0", "192.88.98.255", "192.88.100.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0"),
    *("198.51.99.255", "198.51.101.0", "203.0.112.255", "203.0.114.0", "223.255.255.255", "::ffff:8.8.8.8"),
    *("2000::1", "2001:200::1", "2001:db7:ffff::1", "2001:db9::1", "2001:ffff::1", "2003::1", "2606:4700::1111"),
    *("3ffe:ffff::1", "3fff:1000::1", "3fff:ffff::1"),
)


def in_url(text: str) -> str:
    return f"http://[{text}]/" if ":" in text else f"http://{text}/"


def problem_of(url: str, policy: AddressPolicy = address.PUBLIC_ONLY) -> str:
    with pytest.raises(Invalid) as refused:
        address.check_url(url, field="uri", policy=policy)
    assert refused.value.problems[0].field == "uri"
    return refused.value.problems[0].text


@pytest.mark.parametrize("text", REFUSED)
def test_t18_special_addresses_are_refused(text: str) -> None:
    assert not address.is_allowed(ip_address(text))
    assert problem_of(in_url(text)) == "must not point to a private or special address"


@pytest.mark.parametrize("text", ALLOWED)
def test_t18_their_neighbours_pass(text: str) -> None:
    assert address.is_allowed(ip_address(text))
    address.check_url(in_url(text), field="uri")


HIDDEN = (
    pytest.param("2130706433", id="decimal"),
    pytest.param("0x7f000001", id="hexadecimal"),
    pytest.param("0X7F.1", id="hexadecimal and short"),
    pytest.param("017700000001", id="octal"),
    pytest.param("0177.0.0.1", id="octal part"),
    pytest.param("127.1", id="two parts"),
    pytest.param("127.0.1", id="three parts"),
    pytest.param("127.0.0.0x1", id="hexadecimal part"),
    pytest.param("127.0.0.1.", id="trailing dot"),
    pytest.param("localhost.", id="name with a trailing dot"),
    pytest.param("example.com.", id="public name with a trailing dot"),
    pytest.param("127.0.0.1..", id="two trailing dots"),
    pytest.param("1.2.3.4.5", id="five parts"),
    pytest.param("256.1.1.1", id="a part too large"),
    pytest.param("8.8.8.08", id="leading zero"),
    pytest.param("134744072", id="decimal of a public address"),
    pytest.param("example.123", id="a name that ends in a number"),
    pytest.param("0x", id="prefix alone"),
    pytest.param("\uff11\uff12\uff17.0.0.1", id="full-width digits"),
    pytest.param("①②⑦.0.0.1", id="circled digits"),
    pytest.param("127。0。0。1", id="ideographic full stops"),
    pytest.param("%31%32%37.0.0.1", id="percent-encoded digits"),
    pytest.param("127.0.0.1%00.example.com", id="percent-encoded NUL"),
    pytest.param("[fe80::1%25eth0]", id="zone id"),
    pytest.param("[fe80::1%eth0]", id="bare zone id"),
    pytest.param("[2606:4700::1111%25x]", id="zone id on a public address"),
    pytest.param("[::ffff:7f00:1]", id="mapped loopback in hexadecimal"),
    pytest.param("[0:0:0:0:0:0:0:1]", id="loopback in full"),
    pytest.param("[::1", id="open bracket"),
    pytest.param("[::ffff:127.0.0.01]", id="IPv6 whose last part is no IPv4 address"),
    pytest.param("[::1.2.3.256]", id="IPv6 whose last part is more than one"),
    pytest.param("[1.2.3.4]", id="IPv4 in brackets"),
    pytest.param("::1", id="IPv6 without brackets"),
    pytest.param("[v1.x]", id="future address form"),
    pytest.param("localhost", id="localhost"),
    pytest.param("LocalHost", id="localhost in mixed case"),
    pytest.param("a.localhost", id="below localhost"),
    pytest.param("münchen.example", id="a name that is not ASCII"),
    pytest.param("a..b", id="empty label"),
    pytest.param("-a.example", id="label that begins with a hyphen"),
    pytest.param("a*b.example", id="a sign no host name has"),
    pytest.param(f"{'a' * 64}.example", id="label too long"),
    pytest.param(".".join(["a" * 60] * 5), id="name too long"),
)


@pytest.mark.parametrize("host", HIDDEN)
def test_t18_hosts_that_hide_an_address_or_are_ambiguous_are_refused(host: str) -> None:
    assert problem_of(f"http://{host}/")
    assert problem_of(f"https://{host}:8443/x?y")


NO_URLS = (
    pytest.param("ftp://example.com/", id="ftp"),
    pytest.param("file:///etc/passwd", id="file"),
    pytest.param("gopher://example.com/", id="gopher"),
    pytest.param("data:text/plain,x", id="data"),
    pytest.param("javascript:alert(1)", id="javascript"),
    pytest.param("http:", id="scheme alone"),
    pytest.param("http:example.com", id="no slashes"),
    pytest.param("http:/example.com", id="one slash"),
    pytest.param("http:///example.com", id="three slashes"),
    pytest.param("http://", id="no host"),
    pytest.param("http://:80/", id="port without a host"),
    pytest.param("//example.com/", id="no scheme"),
    pytest.param("example.com/x", id="neither scheme nor slashes"),
    pytest.param("/x", id="path alone"),
    pytest.param("", id="nothing"),
    pytest.param("http://me:secret@example.com/", id="user and password"),
    pytest.param("http://me@example.com/", id="user"),
    pytest.param("http://@example.com/", id="empty user"),
    pytest.param("http://host\\@evil.example/", id="backslash before an at sign"),
    pytest.param("http://host/\\evil", id="backslash in the path"),
    pytest.param("http://exa\tmple.com/", id="tab"),
    pytest.param("http://example.com/\n", id="newline at the end"),
    pytest.param("http://example.com/a b", id="space"),
    pytest.param(" http://example.com/", id="space at the start"),
    pytest.param("http://example.com/\x00", id="NUL"),
    pytest.param("http://example.com/\x85", id="C1 control"),
    pytest.param("http://example.com/\u2028", id="line separator"),
    pytest.param("http://example.com/\ud800", id="lone surrogate"),
    pytest.param("http://example.com/ HTTP/1.1\r\nX: y", id="a second header"),
    pytest.param(f"http://{'a' * 3000}/", id="a host of 3,000 characters"),
)


@pytest.mark.parametrize("url", NO_URLS)
def test_t23_what_is_no_plain_http_url_is_refused(url: str) -> None:
    assert problem_of(url)
    assert problem_of(url, LOCAL)


PORTS = ("0", "22", "25", "9001", "2000", "2773", "6000", "65536", "99999", "-1", "x", "8\uff10")


@pytest.mark.parametrize("port", PORTS)
def test_t24_ports_of_other_protocols_and_of_our_own_home_are_refused(port: str) -> None:
    assert problem_of(f"http://example.com:{port}/")


@pytest.mark.parametrize("host", ["api.belltower.example", "API.Belltower.EXAMPLE", "api.belltower.example:443"])
def test_t24_our_own_names_are_refused(host: str) -> None:
    policy = AddressPolicy(own_hosts=frozenset({"api.belltower.example"}))
    assert problem_of(f"https://{host}/", policy) == "must not point to this service"


def test_t24_our_own_name_with_a_trailing_dot_is_refused() -> None:
    assert problem_of("https://api.belltower.example./", AddressPolicy(own_hosts=frozenset({"api.belltower.example"})))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]", "localhost"])
def test_loopback_is_allowed_locally_and_only_there(host: str) -> None:
    address.check_url(f"http://{host}:8000/", field="uri", policy=LOCAL)
    assert problem_of(f"http://{host}:8000/") == "must not point to a private or special address"


LOOPBACK = {"127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1"}


@pytest.mark.parametrize("text", [text for text in REFUSED if text not in LOOPBACK])
def test_nothing_but_loopback_is_opened_locally(text: str) -> None:
    assert not address.is_allowed(ip_address(text), LOCAL)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        pytest.param(
            "http://Example.COM",
            Place(scheme="http", host="example.com", port=80, target="/"),
            id="a bare host",
        ),
        pytest.param(
            "HTTPS://example.com?q#f",
            Place(scheme="https", host="example.com", port=443, target="/?q"),
            id="a query without a path, the fragment stays at home",
        ),
        pytest.param(
            "http://example.com:8080/a/../b/%2f%zz;x=1?u=http://y/@",
            Place(scheme="http", host="example.com", port=8080, target="/a/../b/%2f%zz;x=1?u=http://y/@"),
            id="path and query travel as written",
        ),
        pytest.param(
            "http://example.com/é?ü",
            Place(scheme="http", host="example.com", port=80, target="/%C3%A9?%C3%BC"),
            id="non-ASCII letters are percent-encoded",
        ),
        pytest.param(
            "http://[2606:4700:0::1111]:80/x",
            Place(scheme="http", host="2606:4700::1111", port=80, target="/x"),
            id="IPv6",
        ),
        pytest.param(
            "http://xn--mnchen-3ya.example:/_",
            Place(scheme="http", host="xn--mnchen-3ya.example", port=80, target="/_"),
            id="punycode and an empty port",
        ),
        pytest.param(
            "http://a_b.example/",
            Place(scheme="http", host="a_b.example", port=80, target="/"),
            id="an underscore, which resolvers know",
        ),
    ],
)
def test_a_url_names_a_place(url: str, place: Place) -> None:
    assert address.read_url(url) == place


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("http://example.com:80/", "example.com"),
        ("http://example.com:443/", "example.com:443"),
        ("https://example.com/", "example.com"),
        ("https://example.com:8443/", "example.com:8443"),
        ("http://[2606:4700::1111]/", "[2606:4700::1111]"),
        ("https://[2606:4700::1111]:8443/", "[2606:4700::1111]:8443"),
    ],
)
def test_t21_the_host_header_has_the_port_when_not_default_and_brackets_for_ipv6(url: str, authority: str) -> None:
    assert address.read_url(url).authority == authority


@pytest.mark.parametrize("length", [2048, 2049])
def test_t34_a_url_has_at_most_2048_characters(length: int) -> None:
    url = "http://example.com/".ljust(length, "x")
    if length == 2048:
        address.check_url(url, field="uri")
    else:
        with pytest.raises(TooLarge):
            address.check_url(url, field="uri")


@given(st.text("0123456789abcdef:.%vx", max_size=40))
def test_t18_whatever_stands_in_brackets_is_an_address_or_refused(text: str) -> None:
    try:
        place = address.read_url(f"http://[{text}]/", policy=LOCAL)
    except Invalid:
        return
    assert place.address


@pytest.mark.parametrize("url", ["http://127.0.0.1:4566/", "http://localhost:4566/", "http://[::1]:4566/"])
def test_t24_the_engine_behind_us_is_no_webhook_s_to_call(url: str) -> None:
    """To it, every call on a developer's machine is an administrator's."""
    policy = AddressPolicy(reach=Reach.LOCAL, own_ports=frozenset({4566}))
    assert problem_of(url, policy) == "must not point to this service"
    assert address.read_url(url.replace("4566", "4567"), policy=policy).port == 4567


@pytest.mark.parametrize(
    ("method", "read"), [("post", "POST"), ("Get", "GET"), ("po\u017ft", "PO\u017fT"), ("\u0131", "\u0131"), ("", "")]
)
def test_no_letter_becomes_one_that_is_ascii(method: str, read: str) -> None:
    assert address.ascii_upper(method) == read


@given(
    st.sampled_from(["http", "https", "HTTP", "ftp", ""]),
    st.text("ab.1:@/?#%[]&=;é-", max_size=30),
)
def test_t18_what_is_read_is_what_a_parser_of_the_whole_url_reads(scheme: str, rest: str) -> None:
    """Scheme and authority are read by themselves, and kept: nothing behind them may change what they are."""
    url = f"{scheme}://{rest}"
    try:
        place = address.read_url(url, policy=LOCAL)
    except Invalid:
        return
    whole = parse_url(url)
    assert (place.scheme, place.host) == (whole.scheme, (whole.host or "").strip("[]").lower())
    assert place.port == (whole.port or address.DEFAULT_PORTS[place.scheme])
