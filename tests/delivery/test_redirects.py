"""T22: what becomes of redirects, and what they carry on."""

import pytest

from chalicelib import signing
from chalicelib.delivery.hop import same_receiver
from chalicelib.scheduling.address import read_url
from chalicelib.scheduling.execution import OutcomeKind
from chalicelib.scheduling.target import Signing
from tests.delivery.builders import MESSAGE_ID, SECRET, Send, head_of
from tests.delivery.receivers import OK, Names, answering, receiver


def redirect_to(location: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} Elsewhere\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("location", "host"),
    [
        pytest.param("http://127.0.0.1/secret?token=1", "127.0.0.1", id="loopback"),
        pytest.param("http://me:pass@evil.example/secret", "evil.example", id="with a password"),
        pytest.param("//evil.example/secret", "evil.example", id="another host without a scheme"),
        pytest.param("file:///etc/secret", "no host", id="a file"),
        pytest.param("/secret", "127.0.0.1", id="itself"),
        pytest.param("http://[::1/secret", "no host", id="garbage"),
    ],
)
def test_t22_a_redirect_is_not_followed_unless_allowed_and_told_by_its_host(
    send: Send, location: str, host: str, status: int
) -> None:
    with receiver(answering(redirect_to(location, status))) as here:
        outcome = send(here.url(), redirects=0)
    assert (outcome.kind, outcome.status) == (OutcomeKind.REFUSED, status)
    assert outcome.detail == f"redirect to {host} not followed"
    assert len(here.requests) == 1


@pytest.mark.parametrize(
    "location", ["http://10.0.0.1/", "file:///etc/passwd", "http://private.example/", "http://h\\@e/"]
)
def test_t22_the_guard_judges_every_hop(send: Send, names: Names, location: str) -> None:
    names.answers["private.example"] = [["192.168.0.1"]]
    with receiver(answering(redirect_to(location))) as here:
        outcome = send(here.url(), redirects=5)
    assert outcome.kind is OutcomeKind.BLOCKED_ADDRESS
    assert outcome.detail.startswith("redirect to ")
    assert "passwd" not in outcome.detail


def test_t22_a_loop_ends_after_the_hops_allowed(send: Send) -> None:
    with receiver(answering(redirect_to("/again"))) as here:
        outcome = send(here.url(), redirects=5)
    assert (outcome.kind, outcome.status) == (OutcomeKind.REFUSED, 302)
    assert len(here.requests) == 6


@pytest.mark.parametrize(
    ("status", "before", "after"),
    [
        *((status, "POST", "GET") for status in (301, 302, 303)),
        *((status, "POST", "POST") for status in (307, 308)),
        *((status, "PUT", "PUT") for status in (301, 302, 307, 308)),
        (303, "PUT", "GET"),
        (303, "HEAD", "HEAD"),
        (302, "GET", "GET"),
    ],
)
def test_a_redirect_within_the_host_keeps_or_changes_the_method(
    send: Send, status: int, before: str, after: str
) -> None:
    with receiver(answering(redirect_to("../next?y=1", status), OK)) as here:
        body = b"" if before in {"GET", "HEAD"} else b"hello"
        outcome = send(here.url("/a/b"), method=before, body=body, content_type="text/plain", redirects=1)
    head = head_of(here.requests[1])
    kept = body if before == after else b""
    assert outcome.delivered
    assert head[""] == f"{after} /next?y=1 HTTP/1.1"
    assert here.requests[1].partition(b"\r\n\r\n")[2] == kept
    assert head.get("Content-Type") == ("text/plain" if kept else None)
    key = signing.webhook_key(SECRET.reveal())
    expected = signing.standard_webhook(key, message_id=MESSAGE_ID, timestamp=1614265330, body=kept)
    assert head["webhook-signature"] == expected


def test_rlatrs_signature_stays_within_the_host_and_covers_the_url_as_given(send: Send) -> None:
    with receiver(answering(redirect_to("/next"), OK)) as here:
        url = here.url()
        send(url, method="GET", signing=Signing.RLATR, redirects=5)
    assert head_of(here.requests[1])["X-RLatr-Signature"] == signing.url_secret_sha1(url, SECRET.reveal())


@pytest.mark.parametrize(
    "location",
    [
        pytest.param("http://other.example:{other}/x", id="another host"),
        pytest.param("//other.example:{other}/x", id="another host without a scheme"),
        pytest.param("http://hooks.example:{other}/x", id="another port"),
    ],
)
def test_signatures_and_the_owners_headers_do_not_follow_to_another_receiver(send: Send, location: str) -> None:
    with (
        receiver(answering(OK)) as there,
        receiver(answering(redirect_to(location.format(other=there.port), 307))) as here,
    ):
        mine = (("Authorization", "Bearer mine"), ("X-Key", "mine"))
        given = {"headers": mine, "signing": Signing.RLATR, "body": b"hello", "content_type": "text/plain"}
        outcome = send(here.url(host="hooks.example"), redirects=1, **given)
    assert outcome.delivered
    assert head_of(there.requests[0]) == {
        "": "POST /x HTTP/1.1",
        "Host": location.format(other=there.port).split("/")[2],
        "Content-Length": "5",
        "User-Agent": "belltower",
        "Accept-Encoding": "identity",
        "Content-Type": "text/plain",
    }


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ("http://hooks.example/a", "http://hooks.example/b", True),
        ("http://hooks.example/a", "https://hooks.example/a", True),
        ("https://hooks.example/a", "https://HOOKS.example:443/b", True),
        ("https://hooks.example/a", "http://hooks.example/a", False),
        ("http://hooks.example/a", "http://other.example/a", False),
        ("http://hooks.example/a", "https://other.example/a", False),
        ("http://hooks.example/a", "http://sub.hooks.example/a", False),
        ("http://hooks.example/a", "http://hooks.example:8080/a", False),
        ("http://hooks.example:8080/a", "https://hooks.example/a", False),
        ("http://hooks.example/a", "https://hooks.example:8443/a", False),
    ],
)
def test_which_redirects_stay_with_the_receiver(before: str, after: str, *, same: bool) -> None:
    assert same_receiver(read_url(before), read_url(after)) is same
