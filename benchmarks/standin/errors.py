"""What the stand-in refuses, under the names AWS gives it."""

from typing import Any


class AwsError(Exception):
    """An error answer. `details` are what AWS adds to it: `Item`, or `CancellationReasons`."""

    def __init__(self, code: str, message: str, **details: Any) -> None:  # noqa: ANN401 - parts of an answer
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.details = code, message, details


def invalid(message: str) -> AwsError:
    """A request that cannot be read, or asks for what is not played here: loudly, never by passing it over."""
    return AwsError("ValidationException", message)


def condition_failed(item: Any = None) -> AwsError:  # noqa: ANN401 - an item, where it was asked for
    """A condition did not hold."""
    details = {"Item": item} if item else {}
    return AwsError("ConditionalCheckFailedException", "The conditional request failed", **details)
