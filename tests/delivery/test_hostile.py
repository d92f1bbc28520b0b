"""T54: receivers that do everything wrong. Each call ends in time, keeps little, and says what happened."""

import gzip
import time
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from _pytest.mark import ParameterSet

from chalicelib.delivery.webhook import HttpSender
from chalicelib.scheduling.address import AddressPolicy, Reach
from chalicelib.scheduling.execution import Outcome, OutcomeKind
from chalicelib.scheduling.target import Webhook
from tests.delivery import receivers
from tests.delivery.receivers import Script, receiver, saying

SENT_AT = datetime(2026, 1, 1, tzinfo=UTC)
TIMEOUT = timedelta(seconds=0.6)
GRACE = timedelta(seconds=0.5)
MEMORY = 10 * 1024 * 1024
SOME = -1  # bytes of body, nobody knows how many
BOMB = gzip.compress(bytes(32 * 1024 * 1024))
GZIPPED = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB)
CHUNKED = "200 OK\nTransfer-Encoding: chunked"

WELL = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n"
PROCESSING, ODD = b"HTTP/1.1 102 Processing\r\n\r\n", b"HTTP/1.1 199 Odd\r\nX: 1\r\n\r\n"

CONNECTION = OutcomeKind.CONNECTION
DELIVERED = OutcomeKind.DELIVERED
PROTOCOL = OutcomeKind.PROTOCOL
REFUSED = OutcomeKind.REFUSED
TIMED_OUT = OutcomeKind.TIMED_OUT


@pytest.fixture
def sender() -> Iterator[HttpSender]:
    made = HttpSender(AddressPolicy(reach=Reach.LOCAL))
    yield made
    made.close()


def sent(sender: HttpSender, url: str, method: str = "POST") -> Outcome:
    """One call, held to its time and its memory."""
    tracemalloc.start()
    started = time.monotonic()
    webhook = Webhook(url=url, method=method, timeout=TIMEOUT)
    outcome = sender.send(webhook, message_id="m", timestamp=SENT_AT, secrets=())
    took = timedelta(seconds=time.monotonic() - started)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert took <= TIMEOUT + GRACE
    assert outcome.took <= took
    assert peak < MEMORY
    assert len(outcome.body) <= 8192
    return outcome


def answer(head: str, body: bytes = b"") -> Script:
    return saying(b"HTTP/1.1 " + head.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n" + body)


def flooding(data: bytes, *, first: bytes = b"") -> Script:
    """As fast as it goes, a gigabyte or so."""

    def script(connection: receivers.Connection) -> None:
        connection.sock.sendall(first)
        connection.flood(data * 1000, times=20_000)

    return script


def row(sentence: str, script: Script, kind: OutcomeKind, *, status: int | None = None, kept: int = 0) -> ParameterSet:
    return pytest.param(script, kind, status, kept, id=sentence)


ENDLESS = (
    row("accepts and is silent", receivers.silent, TIMED_OUT),
    row("drips its status line", receivers.dripping_status, TIMED_OUT),
    row("drips its headers", receivers.dripping_headers, TIMED_OUT),
    row("drips its body", receivers.dripping_body, TIMED_OUT, status=200, kept=SOME),
    row("drips chunks of one byte", receivers.dripping_chunks, TIMED_OUT, status=200, kept=SOME),
    row("100 Continue for ever, slowly", receivers.endless_continue_slowly, TIMED_OUT),
    row("100 Continue for ever, as fast as it goes", receivers.endless_continue_fast, PROTOCOL),
    row("1 GB of body", receivers.a_gigabyte, DELIVERED, status=200, kept=8192),
    row("1 GB of body, unannounced", receivers.a_gigabyte_without_length, DELIVERED, status=200, kept=8192),
    row("a chunk of -1 bytes, then 1 GB", receivers.a_chunk_of_minus_one, DELIVERED, status=200, kept=8192),
    row("1 GB of chunk extensions", receivers.endless_chunk_extensions, PROTOCOL, status=200, kept=SOME),
    row("1 GB of trailers", receivers.endless_trailers, PROTOCOL, status=200),
    row("a gzip bomb", saying(GZIPPED + BOMB), DELIVERED, status=200, kept=8192),
)
INTERIM = (
    row("100, then its answer", saying(b"HTTP/1.1 100 Continue\r\n\r\n" + WELL), DELIVERED, status=200, kept=2),
    row("103 with hints, then its answer", saying(HINTS + WELL), DELIVERED, status=200, kept=2),
    row("102, 103 and 199, then its answer", saying(PROCESSING + HINTS + ODD + WELL), DELIVERED, status=200, kept=2),
    row("103, then nothing", saying(HINTS), CONNECTION),
    row("103 for ever, as fast as it goes", flooding(HINTS), PROTOCOL),
    row("103 with headers for ever", flooding(b"X: 1\r\n", first=b"HTTP/1.1 103 Early Hints\r\n"), PROTOCOL),
    row("101, which nobody asked for", answer("101 Switching Protocols\nUpgrade: x"), REFUSED, status=101),
)
HEADS = (
    row("a header of 70 kB", answer(f"200 OK\nX-Long: {'x' * 70_000}"), PROTOCOL),
    row("101 headers", answer("200 OK" + "\nX: 1" * 101), PROTOCOL),
    row("900 kB of headers", answer("200 OK" + f"\nX: {'x' * 9000}" * 99), PROTOCOL),
    row("a status line of 70 kB", answer("200 " + "x" * 70_000), PROTOCOL),
    row("no status", answer("OK"), PROTOCOL),
    row("a status of 5,000 digits", answer("9" * 5000), PROTOCOL),
    row("two lengths that differ", answer("200 OK\nContent-Length: 5\nContent-Length: 6", b"hello!"), PROTOCOL),
    row("a header without a colon", answer("200 OK\nno colon here\n "), DELIVERED, status=200),
    row("text, as in HTTP/0.9", saying(b"hello, world\r\n"), PROTOCOL),
    row("HTTP/9.9", saying(b"HTTP/9.9 200 OK\r\n\r\n"), PROTOCOL),
    row("NULs", saying(b"\x00" * 5000), PROTOCOL),
    row("TLS on an http port", saying(b"\x15\x03\x01\x00\x02\x02\x28"), PROTOCOL),
)
BODIES = (
    row("less than its length", answer("200 OK\nContent-Length: 100", b"short"), PROTOCOL, status=200, kept=5),
    row("more than its length", answer("200 OK\nContent-Length: 5", b"much longer"), DELIVERED, status=200, kept=5),
    row("a length that is none", answer("200 OK\nContent-Length: few", b"hello"), DELIVERED, status=200, kept=5),
    row("garbage for a chunk size", answer(CHUNKED, b"xyz\r\nhello\r\n"), PROTOCOL, status=200),
    row("no last chunk", answer(CHUNKED, b"5\r\nhello\r\n"), PROTOCOL, status=200, kept=5),
    row("204 with a body", answer("204 No Content\nContent-Length: 4", b"body"), DELIVERED, status=204),
    row("500 with a long body", answer("500 Oops", b"x" * 9000), REFUSED, status=500, kept=8192),
    row("500 that breaks off", answer("500 Oops\nContent-Length: 9", b"oops"), REFUSED, status=500, kept=4),
)
ENDS = (
    row("resets after the request", receivers.reset_after_request, CONNECTION),
    row("resets in the body", receivers.reset_in_the_body, CONNECTION, status=200, kept=4),
    row("closes after the request", saying(b""), CONNECTION),
    row("half-closes without an answer", receivers.half_closing, CONNECTION),
    row("half-closes after its answer", receivers.half_closing_after_the_answer, DELIVERED, status=200, kept=4),
)


@pytest.mark.parametrize(("script", "kind", "status", "kept"), [*ENDLESS, *INTERIM, *HEADS, *BODIES, *ENDS])
def test_t54(sender: HttpSender, script: Script, kind: OutcomeKind, status: int | None, kept: int) -> None:
    with receiver(script) as here:
        outcome = sent(sender, here.url())
    assert (outcome.kind, outcome.status) == (kind, status), outcome
    assert len(outcome.body) in (range(1, 8192) if kept is SOME else {kept})


def test_t54_a_body_that_drips_is_kept_as_far_as_it_came(sender: HttpSender) -> None:
    with receiver(receivers.dripping_body) as here:
        outcome = sent(sender, here.url())
    assert outcome.body.strip(b"x") == b""
    assert len(outcome.body) > 3


def test_t54_the_gzip_bomb_is_not_unpacked(sender: HttpSender) -> None:
    with receiver(saying(GZIPPED + BOMB)) as here:
        assert sent(sender, here.url()).body == BOMB[:8192]


def test_t54_never_accepts(sender: HttpSender) -> None:
    with receivers.never_accepting() as url:
        assert sent(sender, url).kind is TIMED_OUT


def test_t54_nobody_listens(sender: HttpSender) -> None:
    with receiver(receivers.silent) as here:
        url = here.url()
    outcome = sent(sender, url)
    assert (outcome.kind, outcome.detail) == (CONNECTION, "connection refused")


def test_t54_a_body_announced_in_answer_to_head_is_not_waited_for(sender: HttpSender) -> None:
    with receiver(receivers.answering(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")) as here:
        assert sent(sender, here.url(), "HEAD").kind is DELIVERED


def test_t54_a_receiver_that_takes_nothing_in(sender: HttpSender) -> None:
    with receiver(receivers.silent) as here:
        webhook = Webhook(url=here.url(), body=bytes(64 * 1024 * 1024), timeout=TIMEOUT)
        outcome = sender.send(webhook, message_id="m", timestamp=SENT_AT, secrets=())
    assert outcome.kind is TIMED_OUT
    assert outcome.took <= TIMEOUT + GRACE


def test_t54_redirects_share_one_deadline(sender: HttpSender) -> None:
    def slowly(connection: receivers.Connection) -> None:
        while connection.read_request() and not connection.stopping.wait(0.25):
            connection.sock.sendall(b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n")

    with receiver(slowly) as here:
        webhook = Webhook(url=here.url(), redirects=20, timeout=TIMEOUT)
        outcome = sender.send(webhook, message_id="m", timestamp=SENT_AT, secrets=())
    assert outcome.kind is TIMED_OUT
    assert outcome.took <= TIMEOUT + GRACE


def test_what_a_receiver_does_wrong_does_not_put_its_url_into_the_log(
    sender: HttpSender, caplog: pytest.LogCaptureFixture
) -> None:
    with receiver(answer("200 OK\nno colon here\nX: 1")) as here:
        sent(sender, here.url("/hook?token=canary"))
    assert "canary" not in caplog.text
