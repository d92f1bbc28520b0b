"""What we change in MiniStack 1.5.33, and why.

MiniStack is used as it is, but for the nine places where it differs from AWS in a way Belltower's clients or promises
would notice. All of them touch private names, so the version is pinned in requirements-dev.in and asserted here: a new
MiniStack means reading this file again, not hoping.

1. Importing an API drops three things the swagger document says: binary media types, gateway responses, and what the
   MOCK integrations of CORS preflights answer. `_restore_swagger` puts them back.
2. The poller of event source mappings sleeps up to a second between looks, so a message with a delay is that late.
   `PunctualEvent` ends the sleep when the next message becomes visible.
3. Scheduled rules are looked at every ten seconds. AWS is quicker; so are we now.
4. Functions run in processes that see the packages of the development environment and that outlive a killed server
   until they next read their input. `_WORKER_PRELUDE` runs first in each of them: what the artifact lacks is missing
   here as well, and nobody survives the engine.
5. A number that CloudFormation passes on from a parameter arrives as text, which AWS takes and the poller trips over.
6. Each process of a function unpacks its code anew: see infra/local/unpacked.py.
7. What functions print goes to CloudWatch Logs only, one new stream for each call, kept for ever. Here it goes to the
   engine's log file as well, and old streams go.
8. A batched call to SQS asks for a permission of its own. AWS has none: SendMessageBatch needs sqs:SendMessage.
9. So does a batch of PartiQL statements. On AWS each needs the action of its verb, such as dynamodb:PartiQLUpdate.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import logging
import platform
import re
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from infra.local.unpacked import SharedZips

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path
    from types import ModuleType

MINISTACK_VERSION: Final = "1.5.33"
STREAMS_KEPT: Final = 300
"""CloudWatch log streams kept for each function."""
RULE_INTERVAL: Final = 0.2
"""Seconds between two looks at the scheduled rules."""
FIRST_LOG_LINE: Final = 0.010
"""Seconds to wait for a line of a function that may have printed none; MiniStack waits fifty milliseconds."""
LAST_LOG_LINE: Final = 0.001
"""Seconds without another line after which a function has printed all; MiniStack waits five milliseconds."""

_log = logging.getLogger("belltower.engine")
_functions_log = logging.getLogger("belltower.functions")


class WrongVersionError(Exception):
    """The installed MiniStack is not the one these patches were written for."""


def require_version() -> None:
    """Refuses any MiniStack but the pinned one."""
    found = importlib.metadata.version("ministack")
    if found != MINISTACK_VERSION:
        raise WrongVersionError(
            f"ministack {found} is installed, the local engine needs {MINISTACK_VERSION}: run `make clean`, then again"
        )


def apply(code: Path) -> None:
    """Patches the imported MiniStack. Once per process, before it serves. `code` is where functions are unpacked."""
    require_version()
    gateway = importlib.import_module("ministack.services.apigateway_v1")
    functions = importlib.import_module("ministack.services.lambda_svc")
    runtime = importlib.import_module("ministack.core.lambda_runtime")
    vars(gateway)["_import_rest_api"] = _restore_swagger(gateway)
    vars(functions)["_esm_wake"] = PunctualEvent(vars(functions)["_esm_wake"], _visible_times)
    vars(functions)["_sqs_esm_concurrency"] = _number_concurrency(functions)
    vars(functions)["_emit_lambda_logs"] = _surface_logs(functions)
    vars(importlib.import_module("ministack.services.eventbridge"))["_SCHEDULER_TICK_INTERVAL"] = RULE_INTERVAL
    permissions = importlib.import_module("ministack.core.iam_actions")
    vars(permissions)["extract_iam_action"] = _as_single(vars(permissions)["extract_iam_action"])
    vars(permissions)["dynamodb_transaction_checks"] = by_statement(vars(permissions))
    vars(runtime)["zipfile"] = SharedZips(code)
    vars(runtime)["_PYTHON_WORKER_SCRIPT"] = _worker_prelude() + vars(runtime)["_PYTHON_WORKER_SCRIPT"]
    vars(runtime.Worker)["_drain_stderr_bounded"].__defaults__ = (FIRST_LOG_LINE, LAST_LOG_LINE, 0.25)


# --- 1. what the swagger document says --------------------------------------------------------------------------------


def _restore_swagger(gateway: ModuleType) -> Callable[..., str]:
    original = vars(gateway)["_import_rest_api"]

    def import_rest_api(spec: Mapping[str, Any], base_data: Mapping[str, Any] | None = None) -> str:
        data = dict(base_data or {})
        if binary := spec.get("x-amazon-apigateway-binary-media-types"):
            data["binaryMediaTypes"] = list(binary)
        api_id: str = original(spec, data)
        for kind, response in spec.get("x-amazon-apigateway-gateway-responses", {}).items():
            vars(gateway)["_put_gateway_response"](api_id, kind, response)
        _restore_mocks(gateway, api_id, spec.get("paths", {}))
        return api_id

    return import_rest_api


def _restore_mocks(gateway: ModuleType, api_id: str, paths: Mapping[str, Any]) -> None:
    ids = {resource["path"]: resource["id"] for resource in vars(gateway)["_resources"][api_id].values()}
    for path, operations in paths.items():
        for method, operation in operations.items():
            integration = operation.get("x-amazon-apigateway-integration", {})
            if integration.get("type", "").lower() != "mock":
                continue
            where = (api_id, ids[path.rstrip("/") or "/"], method.upper())
            vars(gateway)["_put_integration"](
                *where, {"type": "MOCK", "requestTemplates": integration.get("requestTemplates", {})}
            )
            for pattern, response in integration.get("responses", {}).items():
                selection = "" if pattern == "default" else pattern
                vars(gateway)["_put_integration_response"](
                    *where, str(response.get("statusCode", "200")), {**response, "selectionPattern": selection}
                )


# --- 2. messages on time ----------------------------------------------------------------------------------------------


class PunctualEvent:
    """An event whose `wait` also ends when the next delayed message becomes visible.

    The poller clears it, looks at the queues, and waits. What became visible since it was cleared has not been seen,
    and ends the wait at once.
    """

    def __init__(self, event: threading.Event, times: Callable[[], Iterable[float]]) -> None:
        self._event = event
        self._times = times
        self._looked = time.time()

    def set(self) -> None:
        """As the event's."""
        self._event.set()

    def clear(self) -> None:
        """As the event's."""
        self._looked = time.time()
        self._event.clear()

    def is_set(self) -> bool:
        """As the event's."""
        return self._event.is_set()

    def wait(self, timeout: float) -> bool:
        """Waits at most `timeout` seconds. False when time ran out, be it ours or the caller's."""
        now = time.time()
        soonest = min((at for at in self._times() if at > self._looked), default=now + timeout)
        return self._event.wait(min(timeout, max(0.0, soonest - now)))


def _visible_times() -> Iterable[float]:
    """When the messages of all queues become visible, in seconds since the epoch."""
    queues = importlib.import_module("ministack.services.sqs")
    for _, queue in list(vars(queues)["_queues"]._data.items()):  # noqa: SLF001 - every account and region
        for message in list(queue["messages"]):
            yield message.get("visible_at", 0.0)


# --- 4. the processes of the functions --------------------------------------------------------------------------------

_WORKER_PRELUDE: Final = """
import os, sys, threading, time

def _end_with_the_engine(engine=os.getppid()):
    while os.getppid() == engine:
        time.sleep(0.2)
    os._exit(1)

threading.Thread(target=_end_with_the_engine, daemon=True).start()
"""

_ARTIFACT_ONLY: Final = """
sys.path[:] = [p for p in sys.path if "site-packages" not in p and "dist-packages" not in p]
"""


def _worker_prelude() -> str:
    """The artifact's compiled packages are Linux's on x86-64; elsewhere the environment's own stand in."""
    fits = sys.platform == "linux" and platform.machine() == "x86_64"
    return _WORKER_PRELUDE + (_ARTIFACT_ONLY if fits else "")


# --- 5. numbers from parameters ---------------------------------------------------------------------------------------


def _number_concurrency(functions: ModuleType) -> Callable[..., int]:
    original = vars(functions)["_sqs_esm_concurrency"]

    def concurrency(mapping: dict[str, Any], *rest: object) -> int:
        scaling = mapping.get("ScalingConfig") or {}
        if "MaximumConcurrency" in scaling:
            scaling["MaximumConcurrency"] = int(scaling["MaximumConcurrency"])
        allowed: int = original(mapping, *rest)
        return allowed

    return concurrency


# --- 7. what functions print ------------------------------------------------------------------------------------------


def _surface_logs(functions: ModuleType) -> Callable[..., None]:
    original = vars(functions)["_emit_lambda_logs"]
    logs = importlib.import_module("ministack.services.cloudwatch_logs")

    def emit(func: Mapping[str, Any], request_id: str, log_text: str, *rest: object, **options: object) -> None:
        original(func, request_id, log_text, *rest, **options)
        config = func.get("config") or func
        for line in log_text.splitlines():
            _functions_log.info("%s %s %s", config.get("FunctionName"), request_id, line)
        group = config.get("LoggingConfig", {}).get("LogGroup") or f"/aws/lambda/{config.get('FunctionName')}"
        streams = vars(logs)["_log_groups"].get(group, {}).get("streams", {})
        for name in list(streams)[:-STREAMS_KEPT]:
            streams.pop(name, None)

    return emit


# --- 8. permissions of batches ----------------------------------------------------------------------------------------


def _as_single(original: Callable[..., str | None]) -> Callable[..., str | None]:
    def action(*request: object, **named: object) -> str | None:
        asked = original(*request, **named)
        return asked.removesuffix("Batch") if asked and asked.startswith("sqs:") else asked

    return action


# --- 9. permissions of statements -------------------------------------------------------------------------------------

Checks = list[tuple[str, str]]
_STATEMENT: Final = re.compile(r'\s*(SELECT\b.*\bFROM|INSERT\s+INTO|UPDATE|DELETE\s+FROM)\s+"([^"]+)"', re.IGNORECASE)


def by_statement(module: Mapping[str, Any]) -> Callable[[str, bytes, str, str], Checks]:
    """What MiniStack does for the parts of a transaction, for the statements of a batch as well."""
    original, table_arn = module["dynamodb_transaction_checks"], module["_dynamodb_table_arn"]

    def checks(action: str, body: bytes, region: str, account_id: str) -> Checks:
        if action != "dynamodb:BatchExecuteStatement":
            found: Checks = original(action, body, region, account_id)
            return found
        said = (_STATEMENT.match(one["Statement"]) for one in json.loads(body)["Statements"])
        return [
            (f"dynamodb:PartiQL{each[1].split()[0].capitalize()}", table_arn(each[2], region, account_id))
            for each in said
            if each
        ]

    return checks
