"""API Gateway's data plane: requests reach the deployed API as they would on AWS.

MiniStack decodes a path before it looks for the resource, so `my%2Fjob` would be two segments; API Gateway matches the
path as it was sent and hands it on undecoded. Requests for an API are therefore taken out before MiniStack sees them
and given to its REST implementation with the raw path.

Two doors lead there:

- `/_aws/execute-api/<api>/<stage>/...` on the engine's port: the invoke URL of AWS, with the stage in
  `requestContext.path` and not in `path`;
- the **front** on a port of its own: a custom domain on AWS. The deploy maps it (`DOMAIN`) with the same two calls one
  would make there, so that the paths clients sign bear no prefix and `path` and `requestContext.path` are equal. It
  reaches this API and nothing else: neither the engine's AWS nor its administration.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

DOMAIN: Final = "front.belltower.internal"
"""The custom domain that the front stands for."""
LONGEST_BODY: Final = 10 * 1024 * 1024
"""Bytes API Gateway takes."""

_INVOKE: Final = "/_aws/execute-api/"
_NOT_FOUND: Final = b'{"message":"Not found"}'
_NO_CONTENT: Final = 204

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Answer = tuple[int, Mapping[str, Any], bytes | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arrival:
    """What the event must say about the way a request came."""

    client: str
    by_domain: bool


_arrival: ContextVar[_Arrival | None] = ContextVar("arrival", default=None)


def apply() -> None:
    """Lets the events of this module's requests say what AWS's would. Once per process."""
    gateway = importlib.import_module("ministack.services.apigateway_v1")
    original = vars(gateway)["_build_lambda_event_v1"]

    def build(*args: object, **options: object) -> dict[str, Any]:
        event: dict[str, Any] = original(*args, **options)
        if arrival := _arrival.get():
            event["requestContext"]["identity"]["sourceIp"] = arrival.client
            if arrival.by_domain:
                event["requestContext"]["path"] = event["path"]
        last = event["multiValueQueryStringParameters"] or {}
        event["queryStringParameters"] = {name: values[-1] for name, values in last.items()} or None
        return event

    vars(gateway)["_build_lambda_event_v1"] = build


class Engine:
    """MiniStack behind its APIs: what is no request for an API goes to it untouched."""

    def __init__(self, ministack: App) -> None:
        self._ministack = ministack
        self.requests = 0
        """How many requests came: whoever keeps the state asks whether anything happened."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection's request, as ASGI has it."""
        self.requests += 1
        raw = scope.get("raw_path", b"").decode("latin-1")
        if scope["type"] != "http" or not raw.startswith(_INVOKE):
            await self._ministack(scope, receive, send)
            return
        api_id, _, rest = raw.removeprefix(_INVOKE).partition("/")
        stage, _, path = rest.partition("/")
        await _serve(scope, receive, send, target=(api_id, stage, f"/{path}"), by_domain=False)


class Front:
    """The API alone, at the root of its own port."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection's request, as ASGI has it."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        if scope["type"] != "http":
            return
        self._engine.requests += 1
        gateway = importlib.import_module("ministack.services.apigateway_v1")
        raw = scope["raw_path"].decode("latin-1")
        target = gateway.resolve_base_path_mapping(DOMAIN, raw)
        await _serve(scope, receive, send, target=target, by_domain=True)


async def _live(receive: Receive, send: Send) -> None:
    for phase in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{phase}.complete"})


async def _serve(
    scope: Scope,
    receive: Receive,
    send: Send,
    *,
    target: tuple[str, str, str] | None,
    by_domain: bool,
) -> None:
    body = await _body(receive)
    if body is None:
        answer: Answer = _json(413, f"HTTP content length exceeded {LONGEST_BODY} bytes.")
    elif target is None:
        answer = 404, {"Content-Type": "application/json"}, _NOT_FOUND
    else:
        client = (scope.get("client") or ("127.0.0.1",))[0]
        token = _arrival.set(_Arrival(client=client, by_domain=by_domain))
        try:
            answer = await _execute(scope, target, body)
        finally:
            _arrival.reset(token)
    await _send(send, answer, head=scope["method"] == "HEAD")


async def _execute(scope: Scope, target: tuple[str, str, str], body: bytes) -> Answer:
    gateway = importlib.import_module("ministack.services.apigateway_v1")
    api_id, stage, path = target
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    answer: Answer = await gateway.handle_execute(
        api_id, stage, scope["method"], path, _headers(scope["headers"]), body, query
    )
    return answer


async def _body(receive: Receive) -> bytes | None:
    """All of the request's body, or None when it is longer than API Gateway takes."""
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        part = message.get("body", b"")
        size += len(part)
        if size <= LONGEST_BODY:
            parts.append(part)
        more = message["type"] == "http.request" and message.get("more_body", False)
    return b"".join(parts) if size <= LONGEST_BODY else None


def _headers(pairs: list[tuple[bytes, bytes]]) -> dict[str, str | list[str]]:
    """Header values by name: a list where a header came twice, the last one where only one can be meant."""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    only_one = {"content-type", "accept", "host", "user-agent"}
    return {name: values[-1] if len(values) == 1 or name in only_one else values for name, values in found.items()}


def _json(status: int, message: str) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps({"message": message})


async def _send(send: Send, answer: Answer, *, head: bool) -> None:
    status, headers, body = answer
    content = body.encode() if isinstance(body, str) else body
    lines = [(name, value) for name, values in headers.items() for value in _each(values)]
    lines = [(name, value) for name, value in lines if name.lower() != "content-length"]
    if status != _NO_CONTENT:
        lines.append(("Content-Length", str(len(content))))
    encoded = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in lines]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": b"" if head or status == _NO_CONTENT else content})


def _each(values: object) -> list[str]:
    return [str(value) for value in values] if isinstance(values, list | tuple) else [str(values)]
