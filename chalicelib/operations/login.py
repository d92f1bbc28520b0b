"""Logging in: an account and its password, from a place. Failures slow their place down: see `scheduling.throttle`.

A login that works writes nothing, unless some had failed before it, or the password's hash is of an older make.
"""

from dataclasses import dataclass, field

from chalicelib.operations.accounts import DUMMY, NAME, PASSWORD_LIMIT
from chalicelib.ports import Services
from chalicelib.scheduling.account import NOBODY, Account
from chalicelib.scheduling.errors import Throttled, Unauthenticated
from chalicelib.scheduling.secret import Secret
from chalicelib.scheduling.throttle import NOT_LONG, respects, wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Who is in, and the hash that let them in: what they change holds only as long as it stands."""

    account: Account
    hashed: str = field(repr=False)


def log_in(services: Services, name: str, password: Secret, *, source: str) -> Login:
    """The account that the name, or the id, and the password open; `source` is the address of who asks.

    One refusal, and the same work, for every cause but one: no password is nobody's, and asks for no work. Raises
    Unauthenticated, and Throttled before any work.
    """
    if not password.reveal():
        raise Unauthenticated("No password")
    account = _called(services, name)
    what = respects(account.account_id if account else _short(name), source)
    failures = services.logins.failures(what.names, services.clock.now())
    pause = wait(failures, what, services.clock.now())
    if pause > NOT_LONG:
        raise Throttled(pause)
    hashed = services.accounts.password(account.account_id if account else NOBODY)
    if not _opens(services, password, hashed) or not account or not hashed:
        services.logins.failed(what.names, services.clock.now())
        services.events.emit("login_failed", account=account.account_id if account else None)
        raise Unauthenticated("Unknown account or wrong password")
    if what.account_from_here in failures:
        services.logins.forgive(what.account_from_here)
    return Login(account=account, hashed=_renewed(services, account, password, hashed))


def _called(services: Services, name: str) -> Account | None:
    """The account of that name, else of that id."""
    asked = name if NAME.fullmatch(name) else NOBODY
    named, identified = services.accounts.named(asked), services.accounts.account(asked)
    return named or identified


def _short(name: str) -> str:
    """What nobody's name is counted under: names are told apart without the case of their letters."""
    return name.casefold() if NAME.fullmatch(name) else "?"


def _opens(services: Services, password: Secret, hashed: str | None) -> bool:
    """Whether it is the password. One that nobody can have is not hashed: a dummy is, for the same time."""
    usable = len(password.reveal()) <= PASSWORD_LIMIT
    return services.passwords.matches(password if usable else DUMMY, hashed) and usable


def _renewed(services: Services, account: Account, password: Secret, hashed: str) -> str:
    """The hash that stands: made anew where it was made with other parameters than those of now."""
    if not services.passwords.outdated(hashed):
        return hashed
    after = services.passwords.hashed(password)
    stands = services.logins.rehash(account.account_id, before=hashed, after=after)
    services.events.emit("password_rehashed", account=account.account_id)
    return after if stands else hashed
