"""A client that reaches the dialects as API Gateway's REST proxy would: the real Chalice app, events of its shape.

Routes are matched on the path as sent: a literal segment before a variable one, one trailing slash forgiven, variables
undecoded. Bodies travel as text, or as base64 where the content type is one of the app's binary ones. The signers are
written from the protocols' own words, without the code they test.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlencode

from chalice.app import Chalice

from chalicelib.api.dialect import Dialect, mount
from chalicelib.ports import Services

FORM = "application/x-www-form-urlencoded"
STAGE = "api"
Headers = Iterable[tuple[str, str]]


@dataclass(frozen=True)
class Answer:
    """What came back; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Dialects on an app of their own. `services` is asked at every request, as a Lambda's is at its cold start."""

    def __init__(self, services: Callable[[], Services], *dialects: Dialect) -> None:
        self.app = Chalice(app_name="under-test")
        for dialect in dialects:
            mount(self.app, dialect, services)

    def send(
        self,
        method: str,
        path: str,
        *,
        headers: Headers = (),
        body: bytes | str = b"",
        staged: bool = False,
        source: str = "192.0.2.1",
        host: str = "api.belltower.example",
    ) -> Answer:
        """One request from an address; `staged`: at AWS's invoke URL, where clients see the stage before the path."""
        raw, _, query = path.partition("?")
        template, params = self._routed(raw)
        if template is None:
            return Answer(403, {}, '{"message":"Missing Authentication Token"}')
        event = {
            "resource": template,
            "path": raw,
            "httpMethod": method,
            "requestContext": {
                "httpMethod": method,
                "resourcePath": template,
                "path": f"/{STAGE}{raw}" if staged else raw,
                "stage": STAGE,
                "identity": {"sourceIp": source},
                "domainName": host,
            },
            "pathParameters": params or None,
            "multiValueQueryStringParameters": parse_qs(query, keep_blank_values=True) or None,
            "stageVariables": None,
            **_headers(headers),
            **self._body(body, headers),
        }
        return answered(self.app(json.loads(json.dumps(event)), None))

    def _routed(self, path: str) -> tuple[str | None, dict[str, str]]:
        parts = (path[:-1] if path.endswith("/") and path != "/" else path).split("/")
        for template in sorted(self.app.routes, key=lambda route: [part.startswith("{") for part in route.split("/")]):
            wanted = template.split("/")
            if len(wanted) == len(parts) and all(map(_matches, wanted, parts)):
                pairs = zip(wanted, parts, strict=True)
                return template, {want[1:-1]: part for want, part in pairs if want.startswith("{")}
        return None, {}

    def _body(self, body: bytes | str, headers: Headers) -> dict[str, Any]:
        raw = body.encode() if isinstance(body, str) else body
        types = [value for name, value in headers if name.lower() == "content-type"]
        if not raw:
            return {"body": None, "isBase64Encoded": False}
        if set(types) & set(self.app.api.binary_types):
            return {"body": base64.b64encode(raw).decode(), "isBase64Encoded": True}
        return {"body": raw.decode("utf-8", "replace"), "isBase64Encoded": False}


def answered(result: Mapping[str, Any]) -> Answer:
    """The answer in what a Lambda behind the gateway returns."""
    headers = {name.lower(): value for name, value in result["headers"].items()}
    headers |= {name.lower(): ", ".join(values) for name, values in result["multiValueHeaders"].items()}
    body = base64.b64decode(result["body"]).decode() if result.get("isBase64Encoded") else result["body"]
    return Answer(result["statusCode"], headers, body)


def typed(content_type: str) -> tuple[str, str]:
    return "Content-Type", content_type


def form(fields: Mapping[str, str]) -> str:
    return urlencode(fields)


def basic(user: str, password: str) -> tuple[str, str]:
    """curl -u user:password."""
    return "Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def cron_date(now: datetime) -> str:
    return now.strftime("%Y%m%d%H%M")


def cron_signature(secret: str, to_sign: str) -> bytes:
    """Source: seeds/003 "Signature calculation"."""
    return hmac.new(base64.b64decode(secret), to_sign.encode(), hashlib.sha256).digest()


def cron_signed(key: str, secret: str, *, method: str, path: str, date: str) -> list[tuple[str, str]]:
    """The three headers of Cronally."""
    proof = base64.b64encode(cron_signature(secret, f"{path}{method}{date}")).decode()
    return [("X-Cron-Key", key), ("X-Cron-Date", date), ("X-Cron-Signature", proof)]


def _matches(wanted: str, part: str) -> bool:
    return wanted == part or (wanted.startswith("{") and part != "")


def _headers(pairs: Headers) -> dict[str, Any]:
    several: dict[str, list[str]] = {}
    for name, value in pairs:
        several.setdefault(name, []).append(value)
    return {"multiValueHeaders": several, "headers": {name: values[-1] for name, values in several.items()}}
