"""Passwords: argon2id with 19 MiB, two passes, one lane, as OWASP advises; by argon2-cffi, which the field reviews."""

from functools import cached_property
from typing import TYPE_CHECKING

from chalicelib.scheduling.errors import Invalid
from chalicelib.scheduling.secret import Secret

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MEMORY_KIB, PASSES, LANES = 19 * 1024, 2, 1


class Argon2Passwords:
    """The Passwords port. The library is imported on first use: only the API's sign-in needs it."""

    def hashed(self, password: Secret) -> str:
        """A salted hash. Raises Invalid for what is not Unicode text."""
        try:
            return self._hasher.hash(password.reveal())
        except UnicodeEncodeError:
            raise Invalid("password", "is not valid Unicode") from None

    def matches(self, password: Secret, hashed: str | None) -> bool:
        """Whether it does; the same work is done where there is no hash."""
        from argon2.exceptions import Argon2Error, InvalidHashError  # noqa: PLC0415 - see above

        try:
            verified = self._hasher.verify(hashed or self._nobody, password.reveal())
        except (Argon2Error, InvalidHashError, UnicodeEncodeError):
            return False
        return verified and hashed is not None

    def outdated(self, hashed: str) -> bool:
        """Whether its parameters are others than those above."""
        return self._hasher.check_needs_rehash(hashed)

    @cached_property
    def _hasher(self) -> "PasswordHasher":
        from argon2 import PasswordHasher  # noqa: PLC0415 - see above

        return PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)

    @cached_property
    def _nobody(self) -> str:
        return self._hasher.hash("nobody")
