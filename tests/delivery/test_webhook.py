"""What arrives on the wire: T01, T10 and T31, and what never leaves: T20 and T24."""

from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib import signing
from chalicelib.delivery.webhook import HttpSender
from chalicelib.scheduling.address import AddressPolicy
from chalicelib.scheduling.execution import OutcomeKind
from chalicelib.scheduling.secret import Secret
from chalicelib.scheduling.target import Signing
from tests.delivery.builders import LOCAL, MESSAGE_ID, SECRET, SENT_AT, Send, a_webhook, head_of
from tests.delivery.receivers import OK, Names, answering, receiver, saying


def test_t10_a_signed_post_is_exactly_this_on_the_wire(send: Send) -> None:
    with receiver(answering(OK)) as here:
        given = {"body": b'{"test": 2432232314}', "content_type": "application/json", "headers": (("X-Mine", "a\tb"),)}
        outcome = send(here.url("/hook?x=%2f"), **given)
    assert outcome.kind is OutcomeKind.DELIVERED
    assert (outcome.status, outcome.body, outcome.detail) == (200, b"ok", "")
    assert head_of(here.requests[0]) == {
        "": "POST /hook?x=%2f HTTP/1.1",
        "Host": f"127.0.0.1:{here.port}",
        "User-Agent": "belltower",
        "Accept-Encoding": "identity",
        "Content-Type": "application/json",
        "Content-Length": "20",
        "X-Mine": "a\tb",
        "webhook-id": MESSAGE_ID,
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    assert here.requests[0].endswith(b'\r\n\r\n{"test": 2432232314}')


def test_t10_a_get_without_a_body_says_nothing_about_one(send: Send) -> None:
    with receiver(answering(OK)) as here:
        send(here.url(), method="GET", content_type="text/plain", secrets=())
    assert head_of(here.requests[0]) == {
        "": "GET /hook HTTP/1.1",
        "Host": f"127.0.0.1:{here.port}",
        "User-Agent": "belltower",
        "Accept-Encoding": "identity",
        "webhook-id": MESSAGE_ID,
        "webhook-timestamp": "1614265330",
    }


@pytest.mark.parametrize("body", [b"", bytes(range(256)), b"x" * 2048], ids=["empty", "binary", "2048 bytes"])
def test_t10_the_signature_covers_the_exact_bytes_and_the_id_stays(send: Send, sender: HttpSender, body: bytes) -> None:
    later = SENT_AT + timedelta(minutes=1)
    with receiver(answering(OK)) as here:
        send(here.url(), body=body)
        sender.send(a_webhook(here.url(), body=body), message_id=MESSAGE_ID, timestamp=later, secrets=(SECRET,))
    first, second = (head_of(request) for request in here.requests)
    assert here.requests[0].partition(b"\r\n\r\n")[2] == body
    key = signing.webhook_key(SECRET.reveal())
    for head, timestamp in ((first, 1614265330), (second, 1614265390)):
        assert head["webhook-timestamp"] == str(timestamp)
        expected = signing.standard_webhook(key, message_id=MESSAGE_ID, timestamp=timestamp, body=body)
        assert head["webhook-signature"] == expected
    assert first["webhook-id"] == second["webhook-id"] == MESSAGE_ID


def test_t09_t10_a_rotated_key_has_two_signatures_of_the_same_bytes_in_one_header(send: Send) -> None:
    newest = Secret("h/Be+K0LvQxanvcabBL5Pjg3HL8g7CekNkG090he6rk=")
    with receiver(answering(OK)) as here:
        send(here.url(), body=b"\x00\xff", secrets=(newest, SECRET))
    expected = (
        signing.standard_webhook(
            signing.webhook_key(secret.reveal()), message_id=MESSAGE_ID, timestamp=1614265330, body=b"\x00\xff"
        )
        for secret in (newest, SECRET)
    )
    assert head_of(here.requests[0])["webhook-signature"] == " ".join(expected)


def test_t01_rlatr_signs_the_url_exactly_as_given(send: Send) -> None:
    with receiver(answering(OK)) as here:
        url = here.url("/a/../b%2fc?d#fragment")
        send(url, method="GET", signing=Signing.RLATR, secrets=(Secret("12345"),))
    head = head_of(here.requests[0])
    assert head[""] == "GET /a/../b%2fc?d HTTP/1.1"
    assert head["X-RLatr-Signature"] == signing.url_secret_sha1(url, "12345")


def test_the_owners_header_takes_the_place_of_a_default(send: Send) -> None:
    with receiver(answering(OK)) as here:
        mine = (("user-agent", "mine"), ("content-type", "text/x"), ("X-Two", "1"), ("X-Two", "2"))
        send(here.url(), body=b"x", content_type="text/plain", headers=mine)
    assert here.requests[0].lower().count(b"user-agent:") == 1
    assert here.requests[0].lower().count(b"content-type:") == 1
    assert b"\r\nX-Two: 1\r\nX-Two: 2\r\n" in here.requests[0]


@pytest.mark.parametrize(
    ("name", "value"), [("X", "a\r\nX-Evil: 1"), ("X\r\nX-Evil", "1"), ("X", "a\r\n\r\nGET / HTTP/1.1"), ("X", "a\nb")]
)
def test_t31_what_slipped_through_the_edge_never_reaches_the_wire(send: Send, name: str, value: str) -> None:
    with receiver(answering(OK)) as here:
        with pytest.raises(ValueError, match="control characters"):
            send(here.url(), headers=((name, value),))
        assert here.requests == []


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, OutcomeKind.DELIVERED) for status in (200, 201, 202, 204, 299)),
        *((status, OutcomeKind.REFUSED) for status in (300, 304, 400, 401, 404, 410, 429, 500, 503, 599, 999)),
    ],
)
def test_2xx_is_success_and_nothing_else(send: Send, status: int, kind: OutcomeKind) -> None:
    with receiver(saying(f"HTTP/1.1 {status} Whatever\r\nContent-Length: 0\r\n\r\n".encode())) as here:
        outcome = send(here.url())
    assert (outcome.kind, outcome.status) == (kind, status)


def test_t24_proxies_and_netrc_of_the_environment_change_nothing(
    send: Send, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password mine", encoding="ascii")
    monkeypatch.setenv("NETRC", str(netrc))
    with receiver(answering(OK)) as here:
        assert send(here.url()).delivered
    assert "Authorization" not in head_of(here.requests[0])


@pytest.mark.parametrize("host", ["api.belltower.example", "API.Belltower.example", "api.belltower.example."])
def test_t24_our_own_api_is_never_called(names: Names, host: str) -> None:
    sender = HttpSender(AddressPolicy(own_hosts=frozenset({"api.belltower.example"})), resolver=names)
    outcome = sender.send(a_webhook(f"https://{host}/"), message_id="m", timestamp=SENT_AT, secrets=())
    sender.close()
    assert outcome.kind is OutcomeKind.BLOCKED_ADDRESS
    assert names.asked == []


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{}/", "http://2130706433:{}/", "http://hooks.example:{}/", "http://[::1]:{}/"]
)
def test_t20_a_place_that_became_private_is_blocked_at_send(names: Names, url: str) -> None:
    sender = HttpSender(resolver=names)
    with receiver(answering(OK)) as here:
        webhook = a_webhook(url.format(here.port))
        outcome = sender.send(webhook, message_id="m", timestamp=SENT_AT, secrets=(SECRET,))
        assert here.accepted == 0
    sender.close()
    assert outcome.kind is OutcomeKind.BLOCKED_ADDRESS
    assert outcome.status is None


def test_t20_there_is_one_look_up_per_send_and_the_connection_goes_where_it_says() -> None:
    names = Names({"hooks.example": [["127.0.0.1"], ["169.254.169.254"]]})
    sender = HttpSender(LOCAL, resolver=names)
    with receiver(answering(OK)) as here:
        webhook = a_webhook(here.url(host="hooks.example"))
        first = sender.send(webhook, message_id="m", timestamp=SENT_AT, secrets=())
        assert (first.kind, names.asked) == (OutcomeKind.DELIVERED, ["hooks.example"])
        second = sender.send(webhook, message_id="m", timestamp=SENT_AT, secrets=())
    sender.close()
    assert (second.kind, second.detail) == (OutcomeKind.BLOCKED_ADDRESS, "the host has a private or special address")
    assert head_of(here.requests[0])["Host"] == f"hooks.example:{here.port}"
    assert len(here.requests) == 1
