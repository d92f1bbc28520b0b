"""T55 and T21: certificates that hold and those that do not, names and pins, with an authority of our own."""

import socket
import ssl
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.delivery.webhook import HttpSender
from chalicelib.scheduling.address import AddressPolicy, Reach
from chalicelib.scheduling.execution import Outcome, OutcomeKind
from chalicelib.scheduling.retry import RetryPolicy
from chalicelib.scheduling.target import Webhook
from tests.delivery import receivers
from tests.delivery.authority import DAY, NOW, Authority
from tests.delivery.receivers import OK, Names, answering, receiver
from tests.world import a_world

TIMEOUT = timedelta(seconds=1)
GRACE = timedelta(seconds=0.5)
HERE = ["127.0.0.1"]

Send = Callable[..., Outcome]


@pytest.fixture
def sender(authority: Authority) -> Iterator[HttpSender]:
    names = Names({"hooks.example": [HERE], "a.hooks.example": [HERE], "six.example": [["::1"]]})
    made = HttpSender(AddressPolicy(reach=Reach.LOCAL), resolver=names, ca_pem=authority.pem)
    yield made
    made.close()


@pytest.fixture
def send(sender: HttpSender) -> Send:
    def sending(url: str, **given: object) -> Outcome:
        started = time.monotonic()
        webhook = Webhook(url=url, body=b"hello", **{"timeout": TIMEOUT} | given)  # type: ignore[arg-type]
        outcome = sender.send(webhook, message_id="m", timestamp=NOW, secrets=())
        assert timedelta(seconds=time.monotonic() - started) <= TIMEOUT + GRACE
        return outcome

    return sending


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["TLS 1.2", "TLS 1.3"])
def test_t21_a_pinned_connection_keeps_sni_host_and_certificate_name(
    send: Send, authority: Authority, version: ssl.TLSVersion
) -> None:
    context = authority.server("hooks.example")
    context.minimum_version = context.maximum_version = version
    with receiver(answering(OK), tls=context) as here:
        outcome = send(here.url(host="hooks.example"))
        assert send(here.url(host="hooks.example")).delivered
    assert (outcome.kind, outcome.body) == (OutcomeKind.DELIVERED, b"ok")
    assert (here.server_names, here.accepted) == (["hooks.example"], 1)
    assert f"Host: hooks.example:{here.port}\r\n".encode() in here.requests[0]


@pytest.mark.parametrize(
    ("host", "name", "family"),
    [
        pytest.param("six.example", "six.example", socket.AF_INET6, id="a name with an IPv6 address"),
        pytest.param("[::1]", "::1", socket.AF_INET6, id="a literal IPv6 address"),
        pytest.param("127.0.0.1", "127.0.0.1", socket.AF_INET, id="a literal IPv4 address"),
    ],
)
def test_t21_ipv6_and_literal_addresses(
    send: Send, authority: Authority, host: str, name: str, family: socket.AddressFamily
) -> None:
    with receiver(answering(OK), tls=authority.server(name), family=family) as here:
        assert send(here.url(host=host)).delivered
    assert f"Host: {host}:{here.port}\r\n".encode() in here.requests[0]


@pytest.mark.parametrize(
    ("made", "detail"),
    [
        pytest.param(lambda ca: ca.self_signed("hooks.example"), "self-signed certificate", id="self-signed"),
        pytest.param(lambda ca: ca.server("hooks.example", until=NOW - DAY), "certificate has expired", id="expired"),
        pytest.param(lambda ca: ca.server("other.example"), "Hostname mismatch", id="for another host"),
        pytest.param(lambda ca: ca.server("127.0.0.1"), "Hostname mismatch", id="for the address it is pinned to"),
        pytest.param(lambda ca: ca.server("*.hooks.example"), "Hostname mismatch", id="a wildcard below the name"),
    ],
)
def test_t55_certificates_that_do_not_hold(
    send: Send, authority: Authority, made: Callable[[Authority], ssl.SSLContext], detail: str
) -> None:
    with receiver(answering(OK), tls=made(authority)) as here:
        outcome = send(here.url(host="hooks.example"))
    assert outcome.kind is OutcomeKind.TLS
    assert detail in outcome.detail
    assert here.requests == []


def test_t55_a_wildcard_that_holds(send: Send, authority: Authority) -> None:
    with receiver(answering(OK), tls=authority.server("*.hooks.example")) as here:
        assert send(here.url(host="a.hooks.example")).delivered


def test_t55_an_authority_we_do_not_know(authority: Authority) -> None:
    sender = HttpSender(AddressPolicy(reach=Reach.LOCAL), resolver=Names({"hooks.example": [HERE]}))
    with receiver(answering(OK), tls=authority.server("hooks.example")) as here:
        webhook = Webhook(url=here.url(host="hooks.example"), timeout=TIMEOUT)
        outcome = sender.send(webhook, message_id="m", timestamp=NOW, secrets=())
    sender.close()
    assert (outcome.kind, here.requests) == (OutcomeKind.TLS, [])


def test_t55_only_tls_1_1(send: Send, authority: Authority) -> None:
    context = authority.server("hooks.example")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with receiver(answering(OK), tls=context) as here:
        assert send(here.url(host="hooks.example")).kind is OutcomeKind.TLS
    assert here.requests == []


def test_t55_a_client_certificate_is_asked_for_and_not_given(send: Send, authority: Authority) -> None:
    context = authority.server("hooks.example")
    context.load_verify_locations(cadata=authority.pem)
    context.verify_mode = ssl.CERT_REQUIRED
    with receiver(answering(OK), tls=context) as here:
        assert send(here.url(host="hooks.example")).kind is OutcomeKind.TLS
    assert here.requests == []


def resetting(connection: receivers.Connection) -> None:
    connection.sock.recv(1)  # a reset before the hello would meet a leak in CPython's own SSLSocket
    connection.reset()


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(receivers.silent, id="says nothing"),
        pytest.param(lambda connection: connection.drip(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc"), id="drips a hello"),
        pytest.param(lambda connection: connection.sock.sendall(OK), id="speaks plain HTTP"),
        pytest.param(resetting, id="resets"),
        pytest.param(lambda _connection: None, id="closes"),
    ],
)
def test_t55_handshakes_that_come_to_nothing(send: Send, script: receivers.Script) -> None:
    with receiver(script) as here:
        outcome = send(here.url(host="hooks.example", scheme="https"))
    assert outcome.kind is OutcomeKind.TLS


@pytest.mark.parametrize(
    "script", [receivers.dripping_headers, receivers.dripping_body, receivers.endless_continue_slowly, receivers.silent]
)
def test_t54_the_deadline_holds_under_tls(send: Send, authority: Authority, script: receivers.Script) -> None:
    with receiver(script, tls=authority.server("hooks.example")) as here:
        assert send(here.url(host="hooks.example")).kind is OutcomeKind.TIMED_OUT


def test_t54_the_allowance_holds_under_tls(send: Send, authority: Authority) -> None:
    with receiver(receivers.endless_continue_fast, tls=authority.server("hooks.example")) as here:
        assert send(here.url(host="hooks.example")).kind is OutcomeKind.PROTOCOL


def test_a_redirect_down_to_http_carries_no_proof(sender: HttpSender, authority: Authority) -> None:
    with receiver(answering(OK)) as there:
        down = f"HTTP/1.1 307 Down\r\nLocation: {there.url(host='hooks.example')}\r\nContent-Length: 0\r\n\r\n".encode()
        with receiver(answering(down), tls=authority.server("hooks.example")) as here:
            webhook = Webhook(
                url=here.url(host="hooks.example"), redirects=1, headers=(("X-Key", "1"),), timeout=TIMEOUT
            )
            assert sender.send(webhook, message_id="m", timestamp=NOW, secrets=()).delivered
    assert b"webhook-id" in here.requests[0]
    assert b"X-Key" in here.requests[0]
    assert b"webhook-id" not in there.requests[0]
    assert b"X-Key" not in there.requests[0]


def test_t55_a_certificate_that_does_not_hold_is_tried_again_at_the_pace_of_any_failure(authority: Authority) -> None:
    """The firing waits by the clock that it is given; the handshakes are real."""
    world, waits = a_world(), (timedelta(seconds=10), timedelta(minutes=1))
    sender = HttpSender(AddressPolicy(reach=Reach.LOCAL), resolver=Names({"hooks.example": [HERE]}))
    world.services = replace(world.services, webhooks=sender)
    with receiver(answering(OK), tls=authority.self_signed("hooks.example")) as here:
        webhook = Webhook(url=here.url(host="hooks.example"), timeout=TIMEOUT)
        job = world.a_job(target=webhook, retry=RetryPolicy(waits=waits))
        world.let_pass(minutes=5)
    sender.close()
    [execution] = world.executions(job)
    assert [attempt.outcome.kind for attempt in execution.attempts] == [OutcomeKind.TLS] * 3
    sent = [attempt.sent_at for attempt in execution.attempts]
    assert all(after - before >= wait for before, after, wait in zip(sent, sent[1:], waits, strict=False))
    assert (here.accepted, here.requests) == (3, [])
