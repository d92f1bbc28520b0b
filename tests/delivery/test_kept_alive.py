"""When a connection is used again, for whom, and what happens where the other side had left it."""

import time
from datetime import timedelta

import pytest

from chalicelib.delivery.webhook import HttpSender
from chalicelib.scheduling.execution import OutcomeKind
from chalicelib.scheduling.target import Webhook
from tests.delivery.builders import SENT_AT, Send
from tests.delivery.receivers import OK, Connection, Script, answering, receiver, saying


def test_a_connection_is_used_again(send: Send) -> None:
    with receiver(answering(OK)) as here:
        for _ in range(5):
            assert send(here.url(), body=b"x").delivered
    assert (here.accepted, len(here.requests)) == (1, 5)


@pytest.mark.parametrize(
    ("script", "connections"),
    [
        pytest.param(saying(OK), 2, id="one that was closed"),
        pytest.param(
            answering(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"), 2, id="close asked"
        ),
        pytest.param(answering(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"), 2, id="HTTP/1.0"),
        pytest.param(answering(OK + b"HTTP/1.1 500 Not asked\r\n\r\n"), 1, id="more than the answer in one piece"),
        pytest.param(
            answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n" + b"x" * 9000), 2, id="body not read out"
        ),
    ],
)
def test_only_a_clean_connection_is_used_again(send: Send, script: Script, connections: int) -> None:
    with receiver(script) as here:
        assert send(here.url()).delivered
        time.sleep(0.05)
        assert send(here.url()).delivered
    assert (here.accepted, len(here.requests)) == (connections, 2)


def test_a_body_that_is_still_on_its_way_never_becomes_the_next_answer(send: Send) -> None:
    def slowly(connection: Connection) -> None:
        connection.read_request()
        connection.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n" + b"x" * 8192)
        connection.read_request()
        connection.sock.sendall(b"x" * 808)

    with receiver(slowly) as here:
        assert send(here.url()).delivered
        assert send(here.url()).delivered
    assert here.accepted == 2


def test_a_late_byte_that_nobody_asked_for_spoils_the_connection(send: Send) -> None:
    def chatty(connection: Connection) -> None:
        while connection.read_request():
            connection.sock.sendall(OK)
            connection.stopping.wait(0.05)
            connection.sock.sendall(b"HTTP/1.1 500 Not asked for\r\n\r\n")

    with receiver(chatty) as here:
        assert send(here.url()).delivered
        time.sleep(0.2)
        assert send(here.url()).delivered
    assert here.accepted == 2


def breaking(well: int, *, said: bytes = b"") -> Script:
    """Answers so many requests on each connection; the next one is met with a few bytes and a reset."""

    def script(connection: Connection) -> None:
        for _ in range(well):
            connection.read_request()
            connection.sock.sendall(OK)
        connection.read_request()
        connection.sock.sendall(said)
        connection.reset()

    return script


def test_a_request_that_a_kept_connection_breaks_under_is_sent_once_more(send: Send) -> None:
    """A firing does not fail for what we did to save time."""
    with receiver(breaking(1)) as here:
        assert send(here.url()).delivered
        assert send(here.url(), body=b"x").delivered
    assert (here.accepted, len(here.requests)) == (2, 3)
    assert here.requests[1] == here.requests[2]


def test_a_request_that_was_answered_in_part_is_not_sent_again(send: Send) -> None:
    with receiver(breaking(1, said=b"HTTP/1.1 2")) as here:
        assert send(here.url()).delivered
        assert not send(here.url()).delivered
    assert (here.accepted, len(here.requests)) == (1, 2)


def test_a_request_on_a_connection_of_its_own_is_never_sent_twice(send: Send) -> None:
    with receiver(breaking(0)) as here:
        assert send(here.url()).kind is OutcomeKind.CONNECTION
    assert (here.accepted, len(here.requests)) == (1, 1)


def test_a_kept_connection_that_is_silent_takes_the_time_there_is_and_no_second_try(send: Send) -> None:
    def silent_then(connection: Connection) -> None:
        connection.read_request()
        connection.sock.sendall(OK)
        connection.read_request()
        connection.linger()

    with receiver(silent_then) as here:
        assert send(here.url()).delivered
        assert send(here.url(), timeout=timedelta(seconds=0.3)).kind is OutcomeKind.TIMED_OUT
    assert (here.accepted, len(here.requests)) == (1, 2)


def test_connections_of_two_accounts_are_not_shared(sender: HttpSender) -> None:
    """What a receiver says too late to one would be the answer to the other."""
    with receiver(answering(OK)) as here:
        for owner in ("alice", "bob", "alice", "bob"):
            webhook = Webhook(url=here.url(), timeout=timedelta(seconds=2))
            assert sender.send(webhook, message_id="m", timestamp=SENT_AT, secrets=(), owner=owner).delivered
    assert (here.accepted, len(here.requests)) == (2, 4)


def test_connections_of_two_hosts_at_one_address_are_not_shared(send: Send) -> None:
    with receiver(answering(OK)) as here:
        send(here.url(host="hooks.example"))
        send(here.url(host="other.example"))
    assert here.accepted == 2
