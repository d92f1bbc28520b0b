"""Values that must not be seen: `Secret` cannot print, `Sealed` is a secret nobody here can read."""

from dataclasses import dataclass

from chalicelib import signing


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Secret:
    """A secret in the clear, on its way in or out of memory; == takes the same time wherever two differ."""

    _value: str

    def reveal(self) -> str:
        """The text itself: call it where the bytes are used, and keep nothing."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(hidden)"

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        return "Secret(hidden)"

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not pickled")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and signing.same(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        raise TypeError("a Secret is no key of a table")


@dataclass(frozen=True, slots=True, repr=False)
class Sealed:
    """A secret encrypted for one account and one place: AES-256-GCM, nonce first, tag last."""

    ciphertext: bytes

    def __repr__(self) -> str:
        return f"Sealed({len(self.ciphertext)} bytes)"
