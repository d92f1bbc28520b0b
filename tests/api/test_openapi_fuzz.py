"""What the document promises, tried: schemathesis makes requests from it, good and bad, each signed as its API wants.

Whatever is sent, the answer is one that is declared: its status, its type, its shape; never a failure of ours, never
HTML, never a secret. Half of the good ones are a document that is known to pass with one field of schemathesis's own,
so that they get further than the first refusal.
"""

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from chalicelib.api import dialects
from chalicelib.api.openapi import Operation, description_of, document_of
from tests.api.client import Answer, Client
from tests.api.tenants import LABEL, MAKES, Tenant, a_tenant, elsewhere, made
from tests.world import World, a_world

if TYPE_CHECKING:
    from collections.abc import Callable

HOST = "http://api.example"
CHECKS: list[Any] = [status_code_conformance, content_type_conformance, response_schema_conformance]
SPOKEN = dialects.every()
SCHEMA = schemathesis.openapi.from_dict(document_of(SPOKEN))
ROUTES = [
    (dialect.name, path, method)
    for dialect in SPOKEN
    for path, views in dialect.routes.items()
    for method in views
    if not path.startswith("/api/v2/")  # the views of /api/v1/, once more
]
DECLARED_FAILURES = {501}
NEVER_DONE = {("GET", "/users")}
SHOWS_SECRETS = {("GET", "/account"), ("GET", "/users/{account}/apikeys")}
TRIES = settings(
    max_examples=10,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def tenant() -> Tenant:
    """In a world of its own: a route may delete its account."""
    world: World = a_world()
    return a_tenant(world, Client(lambda: world.services, *dialects.served()), "alice")


def sent(tenant: Tenant, api: str, case: Case[Any]) -> tuple[requests.PreparedRequest, Answer]:
    """The request as it would be on the wire, signed over what is in it, and its answer."""
    request = requests.Request(**case.as_transport_kwargs(base_url=HOST)).prepare()
    given: Any = request.body or b""
    body = given.encode() if isinstance(given, str) else bytes(given)
    method, path = str(request.method), str(request.path_url)
    proofs = tenant.proofs(api, method, path.partition("?")[0], body)
    proven = {name.lower() for name, _ in proofs}
    headers = [(name, _text(value)) for name, value in request.headers.items() if name.lower() not in proven]
    return request, tenant.client.send(method, path, headers=[*headers, *proofs], body=body, source=elsewhere())


def _text(value: bytes | str) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def checked(case: Case[Any], request: requests.PreparedRequest, answer: Answer) -> None:
    """Fails for an answer that is not as declared."""
    response = schemathesis.Response(
        status_code=answer.status,
        headers={name: [value] for name, value in answer.headers.items()},
        content=answer.body.encode(),
        request=request,
        elapsed=0.0,
        verify=True,
    )
    case.validate_response(response, checks=CHECKS)
    assert answer.status < 500 or answer.status in DECLARED_FAILURES
    assert "<html" not in answer.body.lower()
    assert "html" not in answer.headers.get("content-type", "")
    for name, value in answer.headers.items():
        assert f"{name}{value}".isascii()
        assert f"{name}{value}".isprintable()


def own_path(tenant: Tenant, api: str, case: Case[Any]) -> dict[str, Any]:
    """Variables of the path that name what is there; others stay as they are."""
    titles = {name: schema.get("title", "") for name, schema in _declared(api, case).path.items()}
    known: dict[str, Callable[[], str]] = {
        "Account name": lambda: tenant.account.name,
        "Job id": lambda: made(tenant, api),
        "Execution id": lambda: execution_of(tenant),
        "Key": lambda: tenant.key,
        "A URL to post to, encoded": lambda: "https://example.com/",
    }
    if case.method != "PUT":
        known["Key label"] = lambda: LABEL
    return {
        name: quote(known[titles[name]](), safe="") if titles.get(name) in known else value
        for name, value in (case.path_parameters or {}).items()
    }


def execution_of(tenant: Tenant) -> str:
    """One of a job that was run."""
    answer = tenant.ask("ndscheduler", "POST", f"/api/v1/executions/{made(tenant, 'ndscheduler')}")
    return str(answer.json["execution_id"])


def takes_anything(api: str, path: str, method: str) -> bool:
    """Whether something of a request can be wrong."""
    said = description_of(api).of(path, method) or Operation()
    return bool("{" in path or said.query or said.headers or said.body)


def _declared(api: str, case: Case[Any]) -> Operation:
    return description_of(api).of(case.path, case.method) or Operation()


@pytest.mark.parametrize(("api", "path", "method"), ROUTES)
def test_nothing_that_schemathesis_makes_gets_an_answer_that_is_not_declared(
    tenant: Tenant, api: str, path: str, method: str
) -> None:
    operation = SCHEMA[path][method]
    whole: dict[str, Any] = MAKES[api](tenant)[2] if api in MAKES else {}
    statuses = set()

    @TRIES
    @given(
        operation.as_strategy(generation_mode=GenerationMode.POSITIVE),
        st.sets(st.sampled_from(sorted(whole) or [""]), max_size=1),
    )
    def good(case: Case[Any], own: set[str]) -> None:
        case.path_parameters = own_path(tenant, api, case)
        if "job_id" in (_declared(api, case).query):
            case.query = {"job_id": made(tenant, api)}
        if isinstance(case.body, dict):
            case.body = {**case.body, **{name: value for name, value in whole.items() if name not in own}}
        request, answer = sent(tenant, api, case)
        checked(case, request, answer)
        statuses.add(answer.status)
        if (method, path) not in SHOWS_SECRETS:
            assert tenant.secret not in answer.body
        assert tenant.password not in answer.body

    good()
    assert any(status < 300 or status in DECLARED_FAILURES for status in statuses) or (method, path) in NEVER_DONE


@pytest.mark.parametrize(("api", "path", "method"), [route for route in ROUTES if takes_anything(*route)])
def test_nor_does_what_is_wrong_on_purpose(tenant: Tenant, api: str, path: str, method: str) -> None:
    operation = SCHEMA[path][method]

    @TRIES
    @given(operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
    def bad(case: Case[Any]) -> None:
        checked(case, *sent(tenant, api, case))

    bad()
