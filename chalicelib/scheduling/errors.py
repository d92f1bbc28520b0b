"""The one error tree. Raised where a rule is broken, with the field; rendered once per dialect.

BelltowerError
+- Invalid           the caller's input breaks a rule: one problem or several
|  +- TooLarge       it is well-formed and over a limit
+- Unauthenticated   nobody we know, or the proof does not hold: one answer for all causes
+- NotFound          not there, or not yours: one answer for both
+- MethodNotAllowed  the path exists, the method does not
+- Conflict          the thing's state forbids it
|  +- Taken          a name that must be unique is in use
|  +- Completed      the job has fired for the last time
+- QuotaExceeded     the account has as many as it may have
+- Forbidden         who asks is known, and may not
+- Throttled         too many failed logins from there: later
+- Unavailable       a service below is down: nothing was changed, try again
+- Tampered          a ciphertext does not belong where it was found
"""

import traceback
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Problem:
    """One broken rule: the caller's own name of the field, and what is wrong with it in a sentence fragment."""

    field: str
    text: str

    def __str__(self) -> str:
        return f"{self.field} {self.text}" if self.field else self.text


class BelltowerError(Exception):
    """The root: everything this service raises on purpose."""


class Invalid(BelltowerError):
    """The input breaks one rule or several; `problems` lists them all in the order found."""

    def __init__(self, field: str = "", text: str = "", *, problems: tuple[Problem, ...] = ()) -> None:
        self.problems = problems or (Problem(field, text),)
        super().__init__("; ".join(str(problem) for problem in self.problems))


class TooLarge(Invalid):
    """Well-formed, and over a limit."""


class Unauthenticated(BelltowerError):
    """No known key, or a proof that does not hold. Its text never tells which."""


class NotFound(BelltowerError):
    """Not there, or another account's: the same answer for both."""

    def __init__(self, kind: str, identifier: str = "") -> None:
        self.kind = kind
        self.identifier = identifier
        super().__init__(f"{kind} not found")


class MethodNotAllowed(BelltowerError):
    """The path exists, this method on it does not."""

    def __init__(self, allowed: tuple[str, ...]) -> None:
        self.allowed = allowed
        super().__init__(f"Method not allowed; use {', '.join(allowed)}")


class Conflict(BelltowerError):
    """What was asked is fine, the thing's present state forbids it."""


class Taken(Conflict):
    """A value that must be unique is in use."""

    def __init__(self, field: str) -> None:
        self.field = field
        super().__init__(f"{field} is already in use")


class Completed(Conflict):
    """The job has fired for the last time and cannot be changed any more."""


class QuotaExceeded(BelltowerError):
    """The account has as many of these as it may have."""


class Forbidden(BelltowerError):
    """Who asks is known, and needs another proof for this."""


class Throttled(BelltowerError):
    """Too many logins from there have failed. Before `retry_after` none is looked at, not even the right one."""

    def __init__(self, retry_after: timedelta) -> None:
        self.retry_after = retry_after
        super().__init__("Too many failed logins, try again later")


class Unavailable(BelltowerError):
    """A service below does not answer. Nothing was changed; asking again after `retry_after` is safe."""

    def __init__(self, what: str, *, retry_after: timedelta = timedelta(seconds=5)) -> None:
        self.retry_after = retry_after
        super().__init__(f"{what} is unavailable, try again")


class Tampered(BelltowerError):
    """A ciphertext was found at a place it was not sealed for, or was changed."""


def told(error: Exception) -> str:
    """What an operator may be told of an error: ours in its own words, of any other no text, which may hold anything.

    But its kind, the code where AWS gave it one, and its way through our own files.
    """
    if isinstance(error, BelltowerError):
        return str(error)
    frames = ((frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__))
    way = [f"{file.rpartition('/')[2]}:{line}" for file, line in frames if "chalicelib" in file]
    return " ".join(filter(None, (type(error).__name__, getattr(error, "code", ""), f"at {' > '.join(way)}")))
