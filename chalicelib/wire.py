"""AWS's JSON protocol, spoken over connections that are kept: one signed POST and its answer.

botocore's client costs 1.5 to 2 ms of CPU a call and a third of a second of a cold start; this costs a fifth of both,
and a firing is little else than such calls. It does what DynamoDB, SQS and KMS need of it and nothing more: sign
(Signature Version 4), post, read, try again where that is safe and of use. Everything asked for here may be repeated: a
write is conditional and bears its claimant's mark, or writes the same thing twice, or sends a message whose double is
harmless.

A kept connection may have been closed by the other side, above all in a function that slept between two events. That
shows when it is used again, before anything was answered, and costs one free try on a fresh one.
"""

import json
import random
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from http.client import HTTPException, IncompleteRead
from typing import Any, Final
from urllib.parse import urlsplit

from chalicelib import signing
from chalicelib.http1 import Connection, FinalAnswer
from chalicelib.scheduling.errors import Unavailable

CONNECT_LIMIT: Final = 1.0
READ_LIMIT: Final = 2.0
SUCCESS: Final = 200
"""The only one of this protocol."""
TRIES: Final = 3
PAUSE: Final = 0.05
"""Seconds: the first pause is up to this long, each later one up to twice the one before; full jitter."""
HTTP: Final = 80
HTTPS: Final = 443
LONGEST_ANSWER: Final = 32 * 1024 * 1024

PASSING: Final = frozenset(
    {
        "InternalServerError",
        "InternalFailure",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "ServiceUnavailable",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TransactionConflictException",
        "TransactionInProgressException",
        "DependencyTimeoutException",
        "KMSInternalException",
        "KeyUnavailableException",
        "UnrecognizedClientException",  # of a role that was made a moment ago
    }
)
"""Error codes that say "not now"."""

BROKEN: Final = (OSError, HTTPException)


class Refusal(Exception):
    """The service answered no, and will say so again. `body` is its answer, `code` the error's name."""

    def __init__(self, code: str, body: Mapping[str, Any]) -> None:
        super().__init__(f"{code}: {body.get('message') or body.get('Message') or ''}")
        self.code, self.body = code, body


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """How a service is addressed. `named`: what callers are told when it is away."""

    name: str
    target: str
    protocol: str
    named: str


DYNAMODB: Final = Service(name="dynamodb", target="DynamoDB_20120810", protocol="1.0", named="the database")
SQS: Final = Service(name="sqs", target="AmazonSQS", protocol="1.0", named="the queue")
KMS: Final = Service(name="kms", target="TrentService", protocol="1.1", named="the key service")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Whose calls go where. `endpoint`: a local engine instead of the region's own."""

    region: str
    credentials: signing.AwsCredentials
    endpoint: str | None = None


class Wire:
    """One service. Safe to share between threads. `sleep`: what waits between two tries."""

    def __init__(
        self, service: Service, surroundings: Surroundings, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._idle: deque[Connection] = deque()
        self._service, self._credentials, self._sleep = service, surroundings.credentials, sleep
        self._region = surroundings.region
        place = urlsplit(surroundings.endpoint or own_endpoint(service.name, surroundings.region))
        self._secure, self._host = place.scheme == "https", place.hostname or ""
        self._port = place.port or (HTTPS if self._secure else HTTP)
        self._host_header = place.netloc.rpartition("@")[2]

    def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """The answer. Raises Refusal, or Unavailable when there was none in several tries: it may be done or not."""
        body = json.dumps(request, default=_base64).encode()
        for number in range(TRIES):
            if number:
                self._sleep(pause_before(number))
            try:
                status, answer = self._exchange(operation, body)
            except BROKEN as error:
                cause: Exception = error
                continue
            if status == SUCCESS:
                return answer
            code = str(answer.get("__type") or answer.get("code") or "").rpartition("#")[2]
            cause = Refusal(code, answer)
            if status < 500 and code not in PASSING and not _may_pass(answer):  # noqa: PLR2004 - below: the caller's fault
                raise cause
        raise Unavailable(self._service.named) from cause

    def close(self) -> None:
        """Closes what is kept."""
        while self._idle:
            self._idle.pop().close()

    def __del__(self) -> None:
        """Nobody has it any more."""
        self.close()

    def _exchange(self, operation: str, body: bytes) -> tuple[int, dict[str, Any]]:
        kept = self._take()
        if kept:
            try:
                return self._ask(kept, operation, body)
            except BROKEN as error:
                kept.close()
                if isinstance(error, TimeoutError):
                    raise
        fresh = self._connect()
        try:
            return self._ask(fresh, operation, body)
        except BROKEN:
            fresh.close()
            raise

    def _ask(self, connection: Connection, operation: str, body: bytes) -> tuple[int, dict[str, Any]]:
        headers = {
            "Host": self._host_header,
            "Content-Type": f"application/x-amz-json-{self._service.protocol}",
            "X-Amz-Target": f"{self._service.target}.{operation}",
        }
        scope = signing.AwsScope(region=self._region, service=self._service.name)
        headers |= signing.aws_headers(self._credentials, scope, headers=headers, body=body, now=time.time())
        connection.ask("POST", "/", (*headers.items(), ("Accept-Encoding", "identity")), body)
        with closing(connection.answer("POST")) as response:
            answer = self._read(response)
        if connection.lasts:
            self._idle.append(connection)
        else:
            connection.close()
        return response.status, answer

    @staticmethod
    def _read(response: FinalAnswer) -> dict[str, Any]:
        """What is no JSON object, such as a load balancer's page, counts as nothing said.

        But a success is said in full: half of one, taken for an empty one, would mean that an item is not there. Raises
        HTTPException.
        """
        said = response.read(LONGEST_ANSWER)
        if response.length:
            raise IncompleteRead(said, response.length)
        try:
            answer = json.loads(said)
        except ValueError:
            answer = None
        if isinstance(answer, dict):
            return answer
        if response.status == SUCCESS:
            raise HTTPException("a success that is no JSON object")
        return {}

    def _take(self) -> Connection | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _connect(self) -> Connection:
        sock = socket.create_connection((self._host, self._port), timeout=CONNECT_LIMIT)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._secure:
                sock = self._tls.wrap_socket(sock, server_hostname=self._host)
            sock.settimeout(READ_LIMIT)
        except BaseException:
            sock.close()
            raise
        connection = Connection()
        connection.sock = sock
        return connection

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()


def pause_before(number: int) -> float:
    """Seconds to wait before the `number`-th repetition of a call."""
    return random.random() * PAUSE * float(2**number)  # noqa: S311 - jitter, not a secret


def _base64(value: object) -> str:
    """Bytes as the protocol has them; what else JSON cannot say is a bug."""
    if isinstance(value, bytes):
        return signing.b64(value)
    raise TypeError(f"{type(value).__name__} is no JSON")


def own_endpoint(service: str, region: str) -> str:
    """Where a service answers in its region."""
    return f"https://{service}.{region}.amazonaws.com" + (".cn" if region.startswith("cn-") else "")


def _may_pass(answer: Mapping[str, Any]) -> bool:
    """A transaction cancelled by another, or for want of capacity, and by no condition, may go through next time."""
    codes = {reason.get("Code") for reason in answer.get("CancellationReasons", ())} - {"None", None}
    return bool(codes) and codes <= {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}
