"""Belltower, on one page: the APIs it speaks, and the four functions that fire its jobs.

A request makes a job in DynamoDB; once a minute `tick` reads what falls due from the next-fire index and sends it to
SQS; `deliver` claims each firing, calls its webhook or publishes to its topic, and records what happened; `parked`
records what the queue gave up; once a day `reconcile` looks for firings that have no proof, and fires them. The events
that drive the four are in infra/resources.yaml.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from chalice.app import Chalice

from chalicelib import settings, wiring
from chalicelib.api import dialects
from chalicelib.api.dialect import mount
from chalicelib.delivery import queue
from chalicelib.operations import deliver as worker
from chalicelib.operations import reconcile as reconciler
from chalicelib.operations import tick as ticker
from chalicelib.ports import Services

app = Chalice(app_name="belltower")
app.api.binary_types = []  # what answers are: text. That every request is bytes is said in infra/resources.yaml

if settings.serves_api():  # the other functions start without what only requests need
    for dialect in dialects.served():
        mount(app, dialect, wiring.api_services)

MARGIN = timedelta(seconds=10)  # what a tick leaves of its time for remembering what it sent


@app.lambda_function(name="tick")
def tick(event: dict[str, Any], context: Any) -> dict[str, int]:  # noqa: ANN401 - Lambda's own object
    """EventBridge, every minute: send what is due before the minute after next."""
    minute = datetime.fromisoformat(event["time"]).astimezone(UTC)
    return {"sent": ticker.tick(_services(context), minute, until=_until(context) - MARGIN)}


@app.lambda_function(name="deliver")
def deliver(event: dict[str, Any], context: Any) -> Any:  # noqa: ANN401 - Lambda's own object
    """SQS: fire a batch of messages, and keep those that could not be."""
    batch = queue.received(event)
    return queue.failures(worker.deliver(_services(context), batch, nonce=context.aws_request_id))


@app.lambda_function(name="parked")
def parked(event: dict[str, Any], context: Any) -> Any:  # noqa: ANN401 - Lambda's own object
    """SQS: record the firings of dead letters as given up."""
    batch = queue.received(event)
    return queue.failures(worker.park(_services(context), batch, nonce=context.aws_request_id))


@app.lambda_function(name="reconcile")
def reconcile(event: dict[str, Any], context: Any) -> dict[str, int]:  # noqa: ANN401 - Lambda's own object
    """EventBridge, once a day: fire what was claimed and has no record.

    By hand, after a queue was purged: {"age": 600} looks at all that was claimed ten minutes ago or earlier.
    """
    age = timedelta(seconds=event["age"]) if "age" in event else reconciler.AGE
    until = datetime.now(UTC) + (_until(context) - datetime.now(UTC)) / 2  # the rest is for accounts it has begun with
    return {"unproved": reconciler.reconcile(_services(context), wiring.ledger(), until=until, age=age)}


def _services(context: Any) -> Services:  # noqa: ANN401 - Lambda's own object
    """Every line of an invocation's log bears its id."""
    return wiring.worker_services().bound(request=context.aws_request_id)


def _until(context: Any) -> datetime:  # noqa: ANN401 - Lambda's own object
    return datetime.now(UTC) + timedelta(milliseconds=context.get_remaining_time_in_millis())
