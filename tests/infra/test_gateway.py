"""What stands in front of the API: its paths, its limits, its own answers and its log."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.infra.reading import Template, named, read

OPEN_DOORS = {("/account", "post"), ("/users", "put")}
"""The calls that need no key and make one."""


def _api(template: Template, **parameters: str) -> dict[str, Any]:
    (api,) = read(template, **parameters).all_of("AWS::Serverless::Api").values()
    found: dict[str, Any] = api
    return found


def test_each_level_of_a_path_has_one_variable_name(template: Template) -> None:
    """API Gateway refuses the deploy otherwise."""
    names: dict[str, set[str]] = {}
    for path in _api(template)["DefinitionBody"]["paths"]:
        parts = path.strip("/").split("/")
        for level, part in enumerate(parts):
            if part.startswith("{"):
                names.setdefault("/".join(parts[:level]), set()).add(part)
    assert {parent: found for parent, found in names.items() if len(found) > 1} == {}


def test_an_unknown_route_is_json_and_404(template: Template) -> None:
    missing = _api(template)["GatewayResponses"]["MISSING_AUTHENTICATION_TOKEN"]
    said = json.loads(missing["ResponseTemplates"]["application/json"])
    assert (missing["StatusCode"], said) == (404, {"message": "Not found"})


def test_the_stage_is_limited_and_new_accounts_more_so(template: Template) -> None:
    settings = _api(template, ApiRate="7", ApiBurst="8", SignUpRate="2", SignUpBurst="3")["MethodSettings"]
    limits = {
        (each["ResourcePath"], each["HttpMethod"]): (each["ThrottlingRateLimit"], each["ThrottlingBurstLimit"])
        for each in settings
    }
    assert limits == {("/*", "*"): ("7", "8"), ("/~1account", "POST"): ("2", "3"), ("/~1users", "PUT"): ("2", "3")}


def test_every_door_that_opens_without_a_key_is_there_and_limited(template: Template) -> None:
    """A setting for a path that does not exist fails the deploy on AWS."""
    api = _api(template)
    paths = api["DefinitionBody"]["paths"]
    assert {(path, method) for path, method in OPEN_DOORS if method in paths.get(path, {})} == OPEN_DOORS
    methods = {(each["ResourcePath"], each["HttpMethod"]) for each in api["MethodSettings"]} - {("/*", "*")}
    assert methods == {("/" + path.replace("/", "~1"), method.upper()) for path, method in OPEN_DOORS}


def test_no_request_is_traced_or_logged_with_its_headers_and_body(template: Template) -> None:
    api = _api(template, AccessLogs="on")
    assert api["TracingEnabled"] is False
    assert {(each["LoggingLevel"], each["DataTraceEnabled"]) for each in api["MethodSettings"]} == {("OFF", False)}


def test_an_entry_of_the_access_log_is_json_and_has_nothing_a_caller_keeps_secret(template: Template) -> None:
    entry = json.loads(_api(template, AccessLogs="on")["AccessLogSetting"]["Format"])
    assert entry == {
        "requestId": "$context.requestId",
        "time": "$context.requestTimeEpoch",
        "ip": "$context.identity.sourceIp",
        "method": "$context.httpMethod",
        "path": "$context.resourcePath",
        "status": "$context.status",
        "latency": "$context.responseLatency",
        "integrationStatus": "$context.integration.status",
        "integrationLatency": "$context.integration.latency",
        "integrationError": "$context.integration.error",
        "refused": "$context.error.responseType",
    }


@pytest.mark.parametrize(
    ("choice", "logs", "role"),
    [
        pytest.param("off", False, False, id="off: nothing is made"),
        pytest.param("on", True, False, id="on: the role of the account stays as it is"),
        pytest.param("on-with-role", True, True, id="on-with-role: the role is made, set, and outlives the stack"),
    ],
)
def test_the_access_log_is_the_operators_choice(template: Template, choice: str, *, logs: bool, role: bool) -> None:
    resources = read(template, AccessLogs=choice).resources()
    setting = _api(template, AccessLogs=choice).get("AccessLogSetting")
    assert (setting is not None, "AccessLogGroup" in resources) == (logs, logs)
    assert {name for name in ("GatewayAccount", "GatewayRole") if name in resources} == (
        {"GatewayAccount", "GatewayRole"} if role else set()
    )
    if setting:
        assert named(setting["DestinationArn"]) == "AccessLogGroup"
    if role:
        assert {resources[name]["DeletionPolicy"] for name in ("GatewayAccount", "GatewayRole")} == {"Retain"}


def test_the_access_log_waits_for_the_role_it_is_written_with(template: Template) -> None:
    """API Gateway refuses a stage with a log while the account has no role."""
    groups = read(template, AccessLogs="on-with-role").all_of("AWS::Logs::LogGroup")
    assert groups["AccessLogGroup"]["Tags"][0]["Value"] == {"Ref": "GatewayAccount"}
