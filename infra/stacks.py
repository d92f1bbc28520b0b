"""A stack as CloudFormation tells of it: what it is, how far it got, why it failed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from botocore.exceptions import ClientError

PATIENCE: Final = 30 * 60
"""Seconds to wait for CloudFormation."""
QUIET: Final = 3.0
"""Seconds between two lines of progress."""
COMPLETE: Final = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_COMPLETE"})

STUCK: Final[Mapping[str, str]] = {
    "CREATE_FAILED": "its creation failed. Remove it with `make destroy STAGE={stage}`, then deploy again",
    "ROLLBACK_FAILED": "its creation failed and could not be undone. Remove it with `make destroy STAGE={stage}`, then "
    "deploy again",
    "DELETE_FAILED": "its removal failed. Try `make destroy STAGE={stage}` again: it says what is in the way",
    "UPDATE_ROLLBACK_FAILED": "an update failed and could not be undone. In the console of CloudFormation choose "
    "`Continue update rollback`, then deploy again",
    "REVIEW_IN_PROGRESS": "somebody made a change set for it and never ran it. Remove it with `make destroy "
    "STAGE={stage}`, then deploy again",
}
"""What to do about a stack that no update gets out of its state."""

Say = Callable[[str], None]
Event = Mapping[str, Any]


class DeployError(Exception):
    """The stack is not what it should be. The text says why, and what to do."""


class Interrupted(DeployError):
    """Somebody stopped watching. CloudFormation goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A stack that is there. Of a parameter that is not echoed the value is asterisks."""

    name: str
    identifier: str
    status: str
    outputs: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def busy(self) -> bool:
        """Whether CloudFormation works on it."""
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"


def find(cloudformation: Any, name: str) -> Stack | None:  # noqa: ANN401 - boto3 makes its clients at run time
    """The stack of that name, or of that identifier; None where there is none, or no more."""
    try:
        found = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    if found["StackStatus"] == "DELETE_COMPLETE":
        return None
    return Stack(
        name=found["StackName"],
        identifier=found["StackId"],
        status=found["StackStatus"],
        outputs={one["OutputKey"]: one["OutputValue"] for one in found.get("Outputs", [])},
        parameters={one["ParameterKey"]: one.get("ParameterValue", "") for one in found.get("Parameters", [])},
    )


def refusal(status: str, stage: str) -> str | None:
    """Why a stack in this state cannot be updated, and what to do; None where it can be."""
    if status in STUCK:
        return f"is {status}: {STUCK[status].format(stage=stage)}"
    if status.endswith("_IN_PROGRESS"):
        return f"is {status}: somebody changes it right now. Wait until that is done, then try again"
    return None


class Progress:
    """Turns CloudFormation's events into lines: failures at once, the rest at most one every `QUIET` seconds."""

    def __init__(self, stack: str, *, seen: Iterable[Event] = (), began: float = 0.0) -> None:
        self._stack, self._said = stack, began
        self._seen = {event["EventId"] for event in seen}
        self._done = 0

    def told(self, events: Sequence[Event], now: float) -> list[str]:
        """What there is to say at `now`, in seconds, of all events so far, the latest first."""
        fresh = [one for one in reversed(events) if one["EventId"] not in self._seen]
        self._seen |= {one["EventId"] for one in fresh}
        done = [one for one in fresh if _of_a_resource(one, self._stack) and one["ResourceStatus"] in COMPLETE]
        self._done += len(done)
        lines = [f"failed: {_reason(one)}" for one in fresh if _is_failure(one)]
        if done and now - self._said >= QUIET:
            self._said = now
            lines.append(f"{self._done} resources done, the last {done[-1]['LogicalResourceId']}")
        return lines


def events_of(cloudformation: Any, identifier: str) -> list[Event]:  # noqa: ANN401 - boto3 makes its clients at run time
    """The latest events of a stack, the last one first; none where there is no stack."""
    try:
        found: list[Event] = cloudformation.describe_stack_events(StackName=identifier)["StackEvents"]
    except ClientError as error:
        if "does not exist" in str(error):
            return []
        raise
    return found


def follow(cloudformation: Any, stack: Stack, *, before: Sequence[Event], pause: float, say: Say) -> Stack | None:  # noqa: ANN401 - boto3 makes its clients at run time
    """Waits until nothing is in progress, and says how far it got. The stack as it is then; None when it is gone."""
    progress = Progress(stack.name, seen=before, began=time.monotonic())
    deadline, known = time.monotonic() + PATIENCE, {one["EventId"] for one in before}
    try:
        while time.monotonic() < deadline:
            now = find(cloudformation, stack.identifier)
            events = events_of(cloudformation, stack.identifier)
            for line in progress.told(events, time.monotonic()):
                say(f"deploy: {line}")
            if now is None or not now.busy:
                return _accepted(now, [one for one in events if one["EventId"] not in known])
            time.sleep(pause)
    except KeyboardInterrupt:
        raise Interrupted(
            f"stopped watching: CloudFormation goes on with {stack.name}; deploy again to see it"
        ) from None
    raise DeployError(f"{stack.name} is still busy after {PATIENCE // 60} minutes: look into CloudFormation's console")


def _accepted(stack: Stack | None, events: Sequence[Event]) -> Stack | None:
    if stack is None or stack.status in COMPLETE:
        return stack
    reasons = [_reason(one) for one in reversed(events) if _is_failure(one)]
    told = "; ".join(reasons[:5]) or "no failed resource was reported"
    raise DeployError(f"{stack.name} is {stack.status}: {told}")


def _of_a_resource(event: Event, stack: str) -> bool:
    return bool(event["LogicalResourceId"] != stack)


def _is_failure(event: Event) -> bool:
    """Whether something failed by itself: what is cancelled because of it is no news."""
    cancelled = "cancelled" in event.get("ResourceStatusReason", "")
    return event["ResourceStatus"].endswith("_FAILED") and not cancelled


def _reason(event: Event) -> str:
    return f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', 'no reason given')}"
