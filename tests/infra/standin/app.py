# ruff: noqa: T201 - functions speak to their log by printing
"""A stand-in for the real app: enough to see what the engine hands to a handler, and nothing of Belltower.

Every behaviour the engine tests look at is asked for by the request or the message itself, so that one deployed copy
serves them all.
"""

from __future__ import annotations

import base64
import json
import os
import time
from typing import Any

from chalice.app import Chalice, Request, Response

app = Chalice(app_name="belltower")
app.api.binary_types = ["application/octet-stream"]


def _table() -> Any:
    import boto3  # noqa: PLC0415 - a cold start pays for it only where it is needed

    return boto3.resource("dynamodb").Table(os.environ["BELLTOWER_JOBS_TABLE"])


def _request() -> Request:
    request = app.current_request
    assert request
    return request


def _body(request: Request) -> bytes:
    body = request.raw_body
    return body.encode() if isinstance(body, str) else body


def _note(kind: str, value: dict[str, Any]) -> None:
    """Leaves a trace in the jobs table that a test can read from outside."""
    _table().put_item(Item={"pk": f"note#{kind}", "sk": f"{time.time_ns()}", "note": json.dumps(value)})


@app.route("/echo/{one}", methods=["GET", "POST"], content_types=["*/*"])
@app.route("/echo/{one}/{two}", methods=["GET", "POST"], content_types=["*/*"])
def echo(one: str, two: str = "") -> dict[str, Any]:
    """Says what arrived."""
    request = _request()
    event = request.to_original_event()
    print("echo")  # a handler that logs nothing waits 50 ms on the engine
    return {
        "one": one,
        "two": two,
        "path": event["path"],
        "context_path": event["requestContext"]["path"],
        "headers": event["multiValueHeaders"],
        "query": event["multiValueQueryStringParameters"],
        "body": base64.b64encode(_body(request)).decode(),
        "environment": {k: v for k, v in os.environ.items() if k.startswith(("BELLTOWER_", "AWS_"))},
        "modules": __import__("boto3").__file__,
        "pid": os.getpid(),
    }


@app.route("/bytes", methods=["POST"], content_types=["*/*"])
def echo_bytes() -> Response:
    """Answers with the very bytes it got."""
    print("bytes")
    return Response(_request().raw_body, headers={"Content-Type": "application/octet-stream"})


@app.route("/shared", methods=["GET"], cors=True)
def shared() -> dict[str, str]:
    """Has a CORS preflight made by API Gateway itself."""
    print("shared")
    return {}


@app.route("/notes/{name}", methods=["PUT"], content_types=["*/*"])
def write(name: str) -> dict[str, str]:
    """Writes to DynamoDB."""
    _table().put_item(Item={"pk": "written", "sk": name})
    print("written")
    return {"written": name}


@app.lambda_function(name="tick")
def tick(event: dict[str, Any], _context: object) -> None:
    """Notes that a minute has come."""
    print("tick")
    _note("tick", {"time": event["time"], "at": time.time()})


@app.lambda_function(name="deliver")
def deliver(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Does what the message says: sleep, fail, die, and notes when it came."""
    print("deliver", len(event["Records"]))
    failed = []
    for record in event["Records"]:
        order = json.loads(record["body"])
        received = int(record["attributes"]["ApproximateReceiveCount"])
        _note("deliver", {"order": order, "at": time.time(), "received": received, "pid": os.getpid()})
        time.sleep(order.get("sleep", 0))
        if order.get("die") and received == 1:
            os._exit(9)
        if received <= order.get("fail", 0):
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}


@app.lambda_function(name="parked")
def parked(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Notes what was given up."""
    print("parked", len(event["Records"]))
    for record in event["Records"]:
        _note("parked", {"order": json.loads(record["body"]), "at": time.time()})
    return {"batchItemFailures": []}


@app.lambda_function(name="reconcile")
def reconcile(event: dict[str, Any], _context: object) -> None:
    """Notes that a day has come."""
    print("reconcile")
    _note("reconcile", {"event": event})
