"""The in-process door: where our adapters take the wire, in front of any of the services here."""

import threading
from collections.abc import Mapping
from typing import Any, Protocol

from benchmarks.standin.errors import AwsError
from chalicelib.wire import Refusal


class Service(Protocol):
    """A service in memory."""

    def dispatch(self, operation: str, request: Mapping[str, Any], /) -> Mapping[str, Any]:
        """One call. Raises AwsError."""
        ...


class InProcess:
    """One call at a time, as a service behind one lock; refusals come as they would over the wire."""

    def __init__(self, service: Service) -> None:
        self._service, self._lock = service, threading.Lock()

    def call(self, operation: str, request: Mapping[str, Any], /) -> dict[str, Any]:
        """The answer. Raises Refusal."""
        try:
            with self._lock:
                return dict(self._service.dispatch(operation, request))
        except AwsError as error:
            raise Refusal(error.code, {"message": error.message, **error.details}) from error
