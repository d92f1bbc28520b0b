"""T31: which headers and methods a webhook's owner may choose."""

import pytest

from chalicelib.scheduling import address
from chalicelib.scheduling.errors import Invalid, TooLarge


@pytest.mark.parametrize(
    "name",
    [
        *("Host", "host", "Content-Length", "content_length", "Transfer-Encoding", "Connection", "Keep-Alive", "TE"),
        *("Trailer", "Upgrade", "Expect", "Proxy-Authorization", "proxy-x", "Forwarded", "X-Forwarded-For"),
        *("X_Forwarded_Host", "webhook-id", "Webhook-Signature", "webhook-anything", "X-RLatr-Signature"),
        *("X-Content-Signature", "", " X", "X ", "X:", "X\r\nY", "X\x00", "Ünï", "X(Y)", "X Y"),
    ],
)
def test_t31_headers_that_are_ours_or_malformed_are_refused(name: str) -> None:
    with pytest.raises(Invalid):
        address.check_headers([("X-Fine", "1"), (name, "x")], field="headers")


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\nb", "a\rb", "\x00", "\x7f", "é", "\u2028", "\ud800", "a\x0bb"])
def test_t31_values_that_are_not_visible_ascii_are_refused(value: str) -> None:
    with pytest.raises(Invalid):
        address.check_headers([("X-Fine", value)], field="headers")


@pytest.mark.parametrize(
    "pair", [("Authorization", "Bearer x"), ("X-1", ""), ("x~!#$%&'*+.^_`|", "a\tb ~"), ("Cookie", "1")]
)
def test_t31_other_headers_pass(pair: tuple[str, str]) -> None:
    address.check_headers([pair, pair], field="headers")


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        pytest.param([("X", "1")] * 50, True, id="50 headers"),
        pytest.param([("X", "1")] * 51, False, id="51 headers"),
        pytest.param([("X", "v" * (8192 - 5))], True, id="8 KiB in all"),
        pytest.param([("X", "v" * (8192 - 4))], False, id="a byte more than 8 KiB"),
    ],
)
def test_t31_headers_have_limits(headers: list[tuple[str, str]], *, passes: bool) -> None:
    if passes:
        address.check_headers(headers, field="headers")
    else:
        with pytest.raises(TooLarge):
            address.check_headers(headers, field="headers")


@pytest.mark.parametrize(
    "method", ["CONNECT", "TRACE", "get", "", "GET ", "GET\r\nX", "PROPFIND", "\uff27\uff25\uff34"]
)
def test_t31_methods_come_from_a_list(method: str) -> None:
    with pytest.raises(Invalid):
        address.check_method(method, field="method")


def test_t31_a_dialect_may_have_a_shorter_list_and_never_a_longer_one() -> None:
    address.check_method("POST", field="method", allowed=("GET", "POST"))
    with pytest.raises(Invalid, match="method must be one of GET, POST"):
        address.check_method("PUT", field="method", allowed=("GET", "POST"))
    with pytest.raises(Invalid):
        address.check_method("TRACE", field="method", allowed=("TRACE",))
