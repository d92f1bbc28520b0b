"""The document of the APIs: every route is in it, and nothing else. What it promises is tried in test_openapi_fuzz."""

import json
from typing import Any

import pytest
from openapi_spec_validator import validate

from chalicelib.api import dialects
from chalicelib.api.dialect import Dialect
from chalicelib.api.openapi import REFUSALS, description_of, document_of
from tests.api.client import Answer, Client
from tests.world import World

SPOKEN = dialects.every()
ROUTES = [(dialect, path, method) for dialect in SPOKEN for path, views in dialect.routes.items() for method in views]


def named(value: object) -> str:
    return value.name if isinstance(value, Dialect) else str(value)


@pytest.fixture(scope="module")
def client(still: World) -> Client:
    return Client(lambda: still.services, *dialects.served())


@pytest.fixture(scope="module")
def answer(client: Client) -> Answer:
    return client.send("GET", "/openapi.json")


@pytest.mark.parametrize(("dialect", "path", "method"), ROUTES, ids=named)
def test_a_route_is_declared_with_what_it_does_and_answers(dialect: Dialect, path: str, method: str) -> None:
    said = description_of(dialect.name).of(path, method)
    assert said, f"{method} {path} is not declared in descriptions/{dialect.name}.py"
    assert said.summary
    assert said.answers or said.summary.startswith("Refused")


@pytest.mark.parametrize("dialect", SPOKEN, ids=named)
def test_nothing_is_declared_that_is_not_there(dialect: Dialect) -> None:
    said = description_of(dialect.name)
    assert said.title
    assert {path: {*methods} for path, methods in said.operations.items()} == {
        path: {*views} for path, views in dialect.routes.items()
    }
    assert said.refusals <= set(REFUSALS)
    assert {
        scheme for methods in said.operations.values() for one in methods.values() for scheme in one.proofs or ()
    } <= {*said.proofs}


def test_an_api_without_declarations_has_its_routes_in_the_document_all_the_same() -> None:
    bare = Dialect(name="of-tomorrow", routes={"/x/{y}": SPOKEN[0].routes["/users/{account}/jobs"]}, render_error=repr)  # type: ignore[arg-type]
    document = document_of([bare])
    validate(document)
    assert {*document["paths"]["/x/{y}"]} == {"put", "post"}


def test_it_is_valid_openapi(answer: Answer) -> None:
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    validate(answer.json)


def test_whoever_asks_may_read_and_keep_it(answer: Answer) -> None:
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert answer.headers["access-control-allow-origin"] == "*"


def test_it_is_the_same_for_all_and_refused_to_other_methods(client: Client, answer: Answer) -> None:
    assert client.send("GET", "/openapi.json/").json == answer.json
    refused = client.send("POST", "/openapi.json")
    assert (refused.status, refused.headers["allow"], refused.headers["cache-control"]) == (405, "GET", "no-store")
    assert refused.json == {"error": "Method not allowed; use GET"}


@pytest.mark.parametrize(("staged", "url"), [(False, "/"), (True, "/api")], ids=["a domain of one's own", "a stage"])
def test_paths_begin_where_the_service_does(client: Client, *, staged: bool, url: str) -> None:
    assert client.send("GET", "/openapi.json", staged=staged).json["servers"] == [{"url": url}]


def test_every_reference_leads_somewhere_and_every_operation_has_a_name_of_its_own(answer: Answer) -> None:
    document = answer.json
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(ids) == len(set(ids)) == len(ROUTES)
    references = {part for operation in operations for part in _references(operation)}
    assert references == {f"#/components/responses/{name}" for name in document["components"]["responses"]}
    schemes = {name for operation in operations for one in operation["security"] for name in one}
    assert schemes == set(document["components"]["securitySchemes"])


def test_it_is_small_enough_to_be_read_at_every_visit(answer: Answer) -> None:
    assert len(answer.body) < 128 * 1024


def _references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if "$ref" in value else set()
        return own.union(*map(_references, value.values()))
    return set().union(*map(_references, value)) if isinstance(value, list) else set()


def test_no_example_in_it_is_a_secret_or_an_address_of_ours(answer: Answer) -> None:
    assert "amazonaws" not in json.dumps(answer.json)
