"""The document of the APIs at /openapi.json: OpenAPI 3.1, made of the routes there are and what is said beside them.

Paths and methods are those of the dialects' own tables, so none is missing and none is made up. What a table does not
say (parameters, bodies, answers, proofs) is declared in `descriptions/`, a file for each API, read at the first request
for the document alone. It says nothing of any account, so whoever asks may read and keep it.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from chalicelib.api.dialect import Dialect, headers_of, status_of
from chalicelib.api.http import Request, Response
from chalicelib.ports import Services
from chalicelib.scheduling.errors import BelltowerError

NAME = "openapi"
PATH = "/openapi.json"
JSON = "application/json"
FRESH = "public, max-age=300"
VARIABLE = re.compile(r"\{(\w+)\}")
REFUSALS: Mapping[int, str] = {
    400: "What was asked breaks a rule, or the thing's state forbids it",
    401: "No known caller, or a proof that does not hold",
    403: "The account has as many as it may have, or another proof is needed",
    404: "Not there, or another account's",
    406: "Accept names nothing that this can be answered in",
    409: "The thing's state forbids it",
    413: "Over a limit",
    415: "A body of a type, or in an encoding, that is not read here",
    429: "Too many logins from there have failed: ask again after Retry-After",
    500: "A fault of the service",
    503: "A service below is away: nothing was changed, ask again after Retry-After",
}

Schema = Mapping[str, Any]
Content = Mapping[str, Schema]
"""Schemas by media type; none: there is no body."""

TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}


def a(title: str, **more: object) -> Schema:
    """A text with a name, and what else is known of it."""
    return {"type": "string", "title": title, **more}


def record(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    """An object with fields that are always there, and others."""
    return {"type": "object", "properties": {**required, **(optional or {})}, "required": [*required]}


def several(item: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": item}


def either(*schemas: Schema) -> Schema:
    """One of several shapes."""
    return {"anyOf": [*schemas]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path.

    `answers`: by status. `refused`: the statuses of refusal that not every call of the API may end in. `proofs`: None
    for those of the API, empty where nothing has to be proven. A variable of the path that has no schema is any text.
    """

    summary: str = ""
    answers: Mapping[int, Content] = field(default_factory=dict)
    refused: Sequence[int] = ()
    path: Mapping[str, Schema] = field(default_factory=dict)
    query: Mapping[str, Schema] = field(default_factory=dict)
    headers: Mapping[str, Schema] = field(default_factory=dict)
    body: Content = field(default_factory=dict)
    proofs: Sequence[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """One API. `proofs`: OpenAPI's security schemes, all needed; `refusal`: how it says no; `refused`: on any call."""

    title: str = ""
    proofs: Mapping[str, Schema] = field(default_factory=dict)
    refusal: Content = field(default_factory=dict)
    refused: Sequence[int] = ()
    operations: Mapping[str, Mapping[str, Operation]] = field(default_factory=dict)

    @property
    def refusals(self) -> set[int]:
        """Every status of refusal that some call may end in."""
        known = (one for methods in self.operations.values() for one in methods.values())
        return {*self.refused, *(status for one in known for status in one.refused)}

    def of(self, path: str, method: str) -> Operation | None:
        """What is declared of a route; None: nothing."""
        return self.operations.get(path, {}).get(method)


def description_of(name: str) -> Description:
    """What is declared of an API; an empty one where nothing is."""
    module = f"{__package__}.descriptions.{name}"
    declared: Description = import_module(module).DESCRIPTION if find_spec(module) else Description()
    return declared


def describing(spoken: Sequence[Dialect]) -> Dialect:
    """The route that answers with the document of these APIs."""

    @cache
    def document() -> Mapping[str, Any]:
        return document_of(spoken)

    return Dialect(name=NAME, routes={PATH: {"GET": _telling(document)}}, render_error=render_error)


def document_of(spoken: Sequence[Dialect]) -> dict[str, Any]:
    """The document, without the place it is served at."""
    described = [(dialect, description_of(dialect.name)) for dialect in spoken]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Belltower",
            "version": "1",
            "description": "A job scheduler that speaks the APIs of its predecessors.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "tags": [{"name": dialect.name, "description": said.title} for dialect, said in described],
        "paths": {
            path: {method.lower(): _operation(dialect, said, path, method) for method in views}
            for dialect, said in described
            for path, views in dialect.routes.items()
        },
        "components": {
            "securitySchemes": {
                _named(dialect, name): scheme for dialect, said in described for name, scheme in said.proofs.items()
            },
            "responses": {
                _named(dialect, status): {"description": text, **_content(said.refusal)}
                for dialect, said in described
                for status, text in REFUSALS.items()
                if status in said.refusals
            },
        },
    }


def render_error(error: BelltowerError) -> Response:
    """`{"error": "..."}`."""
    return Response(status=status_of(error, {}), body=json.dumps({"error": str(error)}), headers=headers_of(error))


def _telling(document: Callable[[], Mapping[str, Any]]) -> Callable[[Services, Request], Response]:
    def read(_services: Services, request: Request) -> Response:
        """GET /openapi.json: with the stage, if there is one, as where all paths begin."""
        before = request.staged.rstrip("/").removesuffix(PATH)
        body = json.dumps({**document(), "servers": [{"url": before or "/"}]})
        return Response(status=200, body=body, headers={"Cache-Control": FRESH, "Access-Control-Allow-Origin": "*"})

    return read


def _operation(dialect: Dialect, said: Description, path: str, method: str) -> dict[str, Any]:
    known = said.of(path, method) or Operation()
    needed = said.proofs if known.proofs is None else known.proofs
    refused = {*said.refused, *known.refused}
    answers: dict[str, Any] = {
        **{str(status): {"description": "Done", **_content(body)} for status, body in known.answers.items()},
        **{str(one): {"$ref": f"#/components/responses/{_named(dialect, one)}"} for one in sorted(refused)},
    }
    return {
        "tags": [dialect.name],
        "operationId": re.sub(r"\W+", "_", f"{method} {path}".lower()).strip("_"),
        "summary": known.summary,
        "parameters": [
            *(_parameter("path", name, known.path.get(name, TEXT)) for name in VARIABLE.findall(path)),
            *(_parameter("query", name, schema) for name, schema in known.query.items()),
            *(_parameter("header", name, schema) for name, schema in known.headers.items()),
        ],
        **({"requestBody": {"required": True, **_content(known.body)}} if known.body else {}),
        "responses": answers or {"default": {"description": "Not described"}},
        "security": [{_named(dialect, name): [] for name in needed}] if needed else [],
    }


def _parameter(where: str, name: str, schema: Schema) -> dict[str, Any]:
    return {"name": name, "in": where, "required": where == "path", "schema": schema}


def _content(content: Content) -> dict[str, Any]:
    return {"content": {media: {"schema": schema} for media, schema in content.items()}} if content else {}


def _named(dialect: Dialect, name: object) -> str:
    return f"{dialect.name}.{name}"
