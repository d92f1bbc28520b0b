"""From a name to an address: T18 at send, T19 and T20, with a stub for name resolution."""

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta

import pytest

from chalicelib.delivery.deadline import Deadline
from chalicelib.delivery.guard import Blocked, Guard, Resolver
from chalicelib.scheduling.address import PUBLIC_ONLY, AddressPolicy, Reach, read_url
from tests.delivery.receivers import Names

A_SECOND = timedelta(seconds=1)
PLACE = read_url("https://hooks.example/x")


def chosen(resolver: Resolver, policy: AddressPolicy = PUBLIC_ONLY) -> str:
    guard = Guard(policy, resolver=resolver)
    try:
        return str(guard.choose(PLACE, Deadline(A_SECOND)))
    finally:
        guard.close()


def names(*answer: str) -> Names:
    return Names({"hooks.example": [answer]})


@pytest.mark.parametrize(
    ("answer", "address"),
    [
        pytest.param(("93.184.216.34",), "93.184.216.34", id="one answer"),
        pytest.param(("93.184.216.34", "1.1.1.1"), "93.184.216.34", id="the first of several"),
        pytest.param(("2606:4700::1111", "1.1.1.1"), "1.1.1.1", id="IPv4 first"),
        pytest.param(("2606:4700::1111",), "2606:4700::1111", id="IPv6 where there is nothing else"),
    ],
)
def test_public_answers_are_chosen_from(answer: tuple[str, ...], address: str) -> None:
    assert chosen(names(*answer)) == address


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(("10.0.0.1",), id="private"),
        pytest.param(("93.184.216.34", "10.0.0.1"), id="a public and a private one"),
        pytest.param(("10.0.0.1", "93.184.216.34"), id="a private and a public one"),
        pytest.param(("fd00::1", "93.184.216.34"), id="AAAA private, A public"),
        pytest.param(("93.184.216.34", "::ffff:127.0.0.1"), id="AAAA mapped loopback, A public"),
        pytest.param(("169.254.169.254",), id="where a CNAME may lead"),
        pytest.param(("fe80::1%eth0",), id="with a zone id"),
        pytest.param(("127.0.0.1",), id="loopback"),
        pytest.param(("64:ff9b::a00:1",), id="a private one behind NAT64"),
    ],
)
def test_t19_one_bad_answer_refuses_the_name(answer: tuple[str, ...]) -> None:
    with pytest.raises(Blocked, match="a private or special address"):
        chosen(names(*answer))


@pytest.mark.parametrize("answer", ["127.0.0.1", "::1"])
def test_loopback_is_chosen_under_the_local_policy(answer: str) -> None:
    assert chosen(names(answer), AddressPolicy(reach=Reach.LOCAL)) == answer


def test_private_addresses_are_refused_under_the_local_policy_too() -> None:
    with pytest.raises(Blocked):
        chosen(names("10.0.0.1"), AddressPolicy(reach=Reach.LOCAL))


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(socket.gaierror(socket.EAI_NONAME, "Name or service not known"), id="NXDOMAIN"),
        pytest.param(socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), id="SERVFAIL"),
        pytest.param(UnicodeError("label too long"), id="a name that cannot be encoded"),
        pytest.param(OSError("no resolver"), id="no resolver at all"),
    ],
)
def test_t19_names_without_an_answer_are_os_errors(error: Exception) -> None:
    def failing(_host: str, _port: int) -> Sequence[str]:
        raise error

    with pytest.raises(OSError, match=r".") as failed:
        chosen(failing)
    assert not isinstance(failed.value, TimeoutError)


def test_t19_an_empty_answer_is_an_os_error() -> None:
    with pytest.raises(OSError, match="no address"):
        chosen(names())


@pytest.fixture
def released() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


@pytest.mark.parametrize(
    ("limit", "deadline"),
    [pytest.param(0.2, 5.0, id="at the look-up's limit"), pytest.param(5.0, 0.2, id="at the call's deadline")],
)
def test_t19_a_resolver_that_hangs_ends(limit: float, deadline: float, released: threading.Event) -> None:
    def hanging(_host: str, _port: int) -> Sequence[str]:
        released.wait()
        return ["1.1.1.1"]

    guard = Guard(PUBLIC_ONLY, resolver=hanging, lookup_limit=limit)
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        guard.choose(PLACE, Deadline(timedelta(seconds=deadline)))
    assert time.monotonic() - started < 0.7
    guard.close()


def test_t18_an_address_needs_no_look_up_and_is_judged_all_the_same() -> None:
    resolver = Names()
    guard = Guard(PUBLIC_ONLY, resolver=resolver)
    assert str(guard.choose(read_url("http://8.8.8.8/"), Deadline(A_SECOND))) == "8.8.8.8"
    local = read_url("http://127.0.0.1/", policy=AddressPolicy(reach=Reach.LOCAL))
    with pytest.raises(Blocked):
        guard.choose(local, Deadline(A_SECOND))
    guard.close()
    assert resolver.asked == []


def test_t20_a_name_that_changes_its_mind_is_asked_once_per_choice() -> None:
    resolver = Names({"hooks.example": [["93.184.216.34"], ["169.254.169.254"]]})
    guard = Guard(PUBLIC_ONLY, resolver=resolver)
    assert str(guard.choose(PLACE, Deadline(A_SECOND))) == "93.184.216.34"
    assert resolver.asked == ["hooks.example"]
    with pytest.raises(Blocked):
        guard.choose(PLACE, Deadline(A_SECOND))
    guard.close()


def test_the_system_resolver_knows_this_machine() -> None:
    guard = Guard(AddressPolicy(reach=Reach.LOCAL))
    place = read_url("http://localhost:8000/", policy=AddressPolicy(reach=Reach.LOCAL))
    assert str(guard.choose(place, Deadline(A_SECOND))) == "127.0.0.1"
    guard.close()
