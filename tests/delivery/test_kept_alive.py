"""When a connection is used again, and that no request is ever sent twice for it."""

import time

import pytest

from chalicelib.scheduling.execution import OutcomeKind
from tests.delivery.builders import Send
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


def test_a_request_is_never_sent_twice_when_a_kept_connection_breaks_under_it(send: Send) -> None:
    def once(connection: Connection) -> None:
        connection.read_request()
        connection.sock.sendall(OK)
        connection.read_request()
        connection.reset()

    with receiver(once) as here:
        assert send(here.url()).delivered
        outcome = send(here.url())
    assert outcome.kind is OutcomeKind.CONNECTION
    assert (here.accepted, len(here.requests)) == (1, 2)


def test_connections_of_two_hosts_at_one_address_are_not_shared(send: Send) -> None:
    with receiver(answering(OK)) as here:
        send(here.url(host="hooks.example"))
        send(here.url(host="other.example"))
    assert here.accepted == 2
