"""Domain values to items and back. Times are Unix milliseconds, durations milliseconds; alternatives carry a `kind`.

Keys of the jobs table. Every hash key opens with the account's id, so no tenant can say another's key:

    standing    <account>#<job>                 standing        in the index next-fire while active
    definition  <account>#<job>                 definition
    listing     <account>#jobs                  <dialect>#<created>#<job>
    execution   <account>#executions#<bucket>   <firing id>     in next-fire while waiting; in by-job by `job`
    audit       <account>#audit                 <created>#<random>
    watermarks  #watermarks                     <group>
    reconciled  #reconcile                      place

A firing id opens with its due time, so the executions of an account read in order of time; the buckets spread one
account's writes over several partitions.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from chalicelib.scheduling.job import (
    Claim,
    Definition,
    Ending,
    JobRef,
    JobState,
    Standing,
    from_millis,
    to_millis,
)
from chalicelib.scheduling.lane import Lane
from chalicelib.scheduling.retry import Misfire, RetryPolicy
from chalicelib.scheduling.schedule import Cron, Every, Once, Schedule, Spelling
from chalicelib.scheduling.secret import Sealed
from chalicelib.scheduling.target import Callback, JobClass, Signing, Target, Topic, Webhook
from chalicelib.storage.tables import Key
from chalicelib.storage.values import Item

T = TypeVar("T")
U = TypeVar("U")

BUCKETS = 4
MILLISECOND = timedelta(milliseconds=1)


def job_hash(ref: JobRef) -> str:
    """The hash key of a job's own items; also its name in the by-job index."""
    return f"{ref.account_id}#{ref.job_id}"


def standing_key(ref: JobRef) -> Key:
    """Where a job's standing is."""
    return job_hash(ref), "standing"


def definition_key(ref: JobRef) -> Key:
    """Where a job's definition is."""
    return job_hash(ref), "definition"


def listing_hash(account_id: str) -> str:
    """The hash key of the list of an account's jobs."""
    return f"{account_id}#jobs"


def listing_key(definition: Definition) -> Key:
    """Where a job stands in its account's list."""
    created = f"{to_millis(definition.created_at):013d}"
    return listing_hash(definition.ref.account_id), f"{definition.dialect}#{created}#{definition.ref.job_id}"


def execution_hashes(account_id: str) -> list[str]:
    """The hash keys that hold an account's executions."""
    return [f"{account_id}#executions#{bucket}" for bucket in range(BUCKETS)]


def execution_key(account_id: str, firing_id: str) -> Key:
    """Where an execution is: the last hex digit of a firing id tells its bucket."""
    return execution_hashes(account_id)[int(firing_id[-1], 16) % BUCKETS], firing_id


def job_id_in(listed: str) -> str:
    """The job's id in the range key of its line in the list."""
    return listed.split("#")[2]


def standing_item(ref: JobRef, standing: Standing, *, shard: int, expires_at: datetime | None) -> Item:
    """The small item that every firing rewrites. Out of the index: no `shard`, no `due_at`. First lane: no `lane`."""
    pk, sk = standing_key(ref)
    return {
        "pk": pk,
        "sk": sk,
        "shard": shard if standing.due_at else None,
        "due_at": optional(to_millis, standing.due_at),
        "rev": standing.rev,
        "state": standing.state.value,
        "schedule": schedule_map(standing.schedule),
        "misfire": standing.misfire.value,
        "claim": optional(claim_map, standing.claim),
        "lane": lane_value(standing.lane),
        "expires_at": optional(to_seconds, expires_at),
    }


def standing_of(item: Mapping[str, Any]) -> Standing:
    """The standing in an item."""
    return Standing(
        schedule=schedule_of(item["schedule"]),
        misfire=Misfire(item["misfire"]),
        state=JobState(item["state"]),
        rev=item["rev"],
        due_at=optional(from_millis, item.get("due_at")),
        claim=optional(claim_of, item.get("claim")),
        lane=lane_of(item.get("lane")),
    )


def lane_value(lane: Lane) -> str | None:
    """A lane in a standing: the first is not written, so that a healthy job's index entry is as small as it was."""
    return None if lane is Lane.FIRST else lane.value


def lane_of(value: str | None) -> Lane:
    """The lane in a standing, or in its index entry."""
    return Lane(value) if value else Lane.FIRST


def claim_map(claim: Claim) -> Item:
    """A claim, in a standing or an execution."""
    return {
        "message": claim.message_id,
        "nonce": claim.nonce,
        "due_at": to_millis(claim.due_at),
        "at": to_millis(claim.claimed_at),
    }


def claim_of(item: Mapping[str, Any]) -> Claim:
    """The claim in a map."""
    return Claim(
        message_id=item["message"],
        nonce=item["nonce"],
        due_at=from_millis(item["due_at"]),
        claimed_at=from_millis(item["at"]),
    )


def schedule_map(schedule: Schedule) -> Item:
    """A schedule by its kind."""
    match schedule:
        case Once(at=at):
            return {"kind": "once", "at": to_millis(at)}
        case Every(start=start, period=period, months=months):
            return {"kind": "every", "start": to_millis(start), "period": period // MILLISECOND, "months": months}
        case Cron(expression=expression, zone=zone, spelling=spelling):
            return {"kind": "cron", "expression": expression, "zone": zone, "spelling": spelling.value}


def schedule_of(item: Mapping[str, Any]) -> Schedule:
    """The schedule in a map; the first ones had neither `months` nor `spelling`."""
    match item["kind"]:
        case "once":
            return Once(at=from_millis(item["at"]))
        case "every":
            start, period = from_millis(item["start"]), item["period"] * MILLISECOND
            return Every(start=start, period=period, months=item.get("months", 0))
        case "cron":
            spelling = Spelling(item.get("spelling", Spelling.UNIX))
            return Cron(expression=item["expression"], zone=item["zone"], spelling=spelling)
    raise ValueError(f"unknown schedule {item['kind']}")


def definition_item(definition: Definition, *, expires_at: datetime | None) -> Item:
    """What was asked."""
    pk, sk = definition_key(definition.ref)
    return {
        "pk": pk,
        "sk": sk,
        "account": definition.ref.account_id,
        "job_id": definition.ref.job_id,
        "dialect": definition.dialect,
        "key": definition.key,
        "name": definition.name,
        "target": target_map(definition.target),
        "created_at": to_millis(definition.created_at),
        "retry": [wait // MILLISECOND for wait in definition.retry.waits],
        "ending": definition.ending.value,
        "callback": optional(callback_map, definition.callback),
        "echo": dict(definition.echo),
        "version": definition.version,
        "expires_at": optional(to_seconds, expires_at),
    }


def definition_of(item: Mapping[str, Any]) -> Definition:
    """The definition in an item."""
    return Definition(
        ref=JobRef(account_id=item["account"], job_id=item["job_id"]),
        dialect=item["dialect"],
        key=item["key"],
        name=item["name"],
        target=target_of(item["target"]),
        created_at=from_millis(item["created_at"]),
        retry=RetryPolicy(waits=tuple(wait * MILLISECOND for wait in item["retry"])),
        ending=Ending(item["ending"]),
        callback=optional(callback_of, item.get("callback")),
        echo=item["echo"],
        version=item["version"],
    )


def target_map(target: Target) -> Item:
    """A target by its kind; a topic's keys must be sealed by now."""
    match target:
        case Webhook():
            return {
                "kind": "webhook",
                "url": target.url,
                "method": target.method,
                "headers": [list(pair) for pair in target.headers],
                "body": target.body,
                "content_type": target.content_type,
                "redirects": target.redirects,
                "timeout": target.timeout // MILLISECOND,
                "signing": target.signing.value,
                "keeps_headers": target.keeps_headers,
            }
        case JobClass():
            return {"kind": "class", "class": target.class_string, "args": target.args, "kwargs": target.kwargs}
        case Topic(keys=Sealed(ciphertext=ciphertext)):
            return {
                "kind": "topic",
                "arn": target.arn,
                "region": target.region,
                "message": target.message,
                "keys": ciphertext,
            }
        case Topic():
            raise TypeError("a topic's keys are sealed before they are stored")


def target_of(item: Mapping[str, Any]) -> Target:
    """The target in a map."""
    match item["kind"]:
        case "webhook":
            return Webhook(
                url=item["url"],
                method=item["method"],
                headers=tuple((name, value) for name, value in item["headers"]),
                body=item["body"],
                content_type=item["content_type"],
                redirects=item["redirects"],
                timeout=item["timeout"] * MILLISECOND,
                signing=Signing(item["signing"]),
                keeps_headers=item["keeps_headers"],
            )
        case "class":
            return JobClass(class_string=item["class"], args=item["args"], kwargs=item["kwargs"])
        case "topic":
            return Topic(
                arn=item["arn"], region=item["region"], message=item["message"], keys=Sealed(ciphertext=item["keys"])
            )
    raise ValueError(f"unknown target {item['kind']}")


def callback_map(callback: Callback) -> Item:
    """A callback."""
    return {
        "url": callback.url,
        "delivered": callback.delivered,
        "failed": callback.failed,
        "content_type": callback.content_type,
        "signing": callback.signing.value,
    }


def callback_of(item: Mapping[str, Any]) -> Callback:
    """The callback in a map."""
    return Callback(
        url=item["url"],
        delivered=item["delivered"],
        failed=item["failed"],
        content_type=item["content_type"],
        signing=Signing(item["signing"]),
    )


def optional(convert: Callable[[T], U], value: T | None) -> U | None:
    """A conversion that passes None through."""
    return None if value is None else convert(value)


def to_seconds(moment: datetime) -> int:
    """Unix seconds, as TTL takes them."""
    return int(moment.astimezone(UTC).timestamp())
