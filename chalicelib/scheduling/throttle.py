"""How failed logins slow the next ones down: whoever guesses, and nobody else.

Failures are counted for an account and the place they came from, and for the place alone, whichever account it tries.
So a guesser waits longer and longer, while the account's owner, who comes from elsewhere, waits for nothing. The count
is read before a password is looked at and raised after: guesses that are made all at once are judged by the same
count, and answered with the longest wait after that.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

FROM_ONE_PLACE = 10  # failures for one account; a whole office behind one address has more for all of its accounts
FROM_ONE_PLACE_FOR_ALL = 100
FIRST_WAIT = timedelta(seconds=1)
LONGEST_WAIT = timedelta(minutes=15)
DOUBLINGS = 10  # after these a wait is the longest there is
FORGOTTEN_AFTER = timedelta(days=1)
NETWORK_BITS = 64  # of an IPv6 address: what one customer has for all of his machines
NOT_LONG = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """How many logins have failed in one respect, and when the last one did."""

    count: int
    last: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Respects:
    """The names under which the failures of one attempt are counted."""

    account_from_here: str
    anything_from_here: str

    @property
    def names(self) -> Sequence[str]:
        """Both."""
        return (self.account_from_here, self.anything_from_here)


def respects(account: str, source: str) -> Respects:
    """Those of an attempt on an account, by its id or by the name that was tried."""
    place = place_of(source)
    return Respects(account_from_here=f"{place}/{account}", anything_from_here=place)


def place_of(source: str) -> str:
    """The network that an address stands for: itself, or the first half of it in IPv6. No address is a place too."""
    try:
        address = ipaddress.ip_address(source)
    except ValueError:
        return "nowhere"
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address), NETWORK_BITS), strict=False))


def wait(known: Mapping[str, Failures], what: Respects, now: datetime) -> timedelta:
    """How long the next attempt has to wait from now on."""
    return max(
        _wait(known.get(what.account_from_here), FROM_ONE_PLACE, now),
        _wait(known.get(what.anything_from_here), FROM_ONE_PLACE_FOR_ALL, now),
    )


def _wait(failures: Failures | None, free: int, now: datetime) -> timedelta:
    """A second after the last of those that are free, then twice as long each time."""
    if failures is None or failures.count < free:
        return NOT_LONG
    pause = min(FIRST_WAIT * (1 << min(failures.count - free, DOUBLINGS)), LONGEST_WAIT)
    return max(failures.last + pause - now, NOT_LONG)
