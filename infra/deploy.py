"""Deploys a packaged app with CloudFormation, and removes it: on AWS, or on whatever answers at `endpoint`.

The stack has the hash of what it was made of (code and template) as an output. Deploying the same thing again asks a
few questions and changes nothing.

A parameter that was set once keeps its value until it is set again: a deploy that names none resets none.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from infra.stacks import DeployError, Say, Stack, events_of, find, follow, refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.package import Artifact

MADE_OF: Final = "MadeOf"
"""The output with the hash. A tag would do, but CloudFormation writes a stack's tags to each of its resources."""
EMPTY: Final = "ROLLBACK_COMPLETE"
"""The state of a first creation that failed and was undone: there is nothing in it."""

NEAR: Final = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1})
"""For an engine: it has no host names of buckets, and what it does not answer at once it never will."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a stage is. `key` picks the account on the embedded engine; on AWS boto3 finds keys itself."""

    stage: str = "dev"
    region: str = "us-east-1"
    endpoint: str | None = None
    key: str | None = None
    say: Say = print

    @property
    def stack(self) -> str:
        """The stack's name."""
        return f"belltower-{self.stage}"

    @property
    def pause(self) -> float:
        """Seconds between two questions to CloudFormation."""
        return 0.1 if self.endpoint else 3.0

    def client(self, service: str) -> Any:  # noqa: ANN401 - boto3 makes its clients at run time
        """A client for where this is."""
        make: Any = boto3.client
        return make(
            service,
            region_name=self.region,
            endpoint_url=self.endpoint,
            aws_access_key_id=self.key,
            aws_secret_access_key=self.key and "test",
            config=NEAR if self.endpoint else None,
        )

    def account(self) -> str:
        """The number of the account that the credentials belong to."""
        return str(self.client("sts").get_caller_identity()["Account"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment(Place):
    """What to deploy where, with which parameters."""

    artifact: Artifact
    parameters: Mapping[str, str] = field(default_factory=dict)

    def template(self) -> dict[str, Any]:
        """As it was packaged."""
        read: dict[str, Any] = json.loads(self.artifact.template.read_text())
        return read

    def made_of(self) -> str:
        """The hash of code and template."""
        return _hash(self.artifact.code.read_bytes(), self.artifact.template.read_bytes())


def deploy(deployment: Deployment) -> dict[str, str]:
    """Creates or updates the stack and waits for it. Its outputs, `StackStatus` among them. Raises DeployError."""
    cloudformation = deployment.client("cloudformation")
    found = find(cloudformation, deployment.stack)
    if found and found.status == EMPTY:
        deployment.say("deploy: removing the remains of a failed creation")
        _remove(deployment, cloudformation, found)
        found = None
    if found and is_current(deployment, found):
        deployment.say("deploy: unchanged")
        return _told(found)
    if found and (why := refusal(found.status, deployment.stage)):
        raise DeployError(f"{deployment.stack} {why}")
    return _told(_change(deployment, cloudformation, found))


def is_current(deployment: Deployment, stack: Stack) -> bool:
    """Whether the stack is what a deploy would make of it."""
    settled = stack.status in {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"}
    same = all(stack.parameters.get(name) == value for name, value in deployment.parameters.items())
    return settled and same and stack.outputs.get(MADE_OF) == deployment.made_of()


def destroy(place: Place) -> None:
    """Removes the stack with all it keeps, and waits. Raises DeployError."""
    cloudformation = place.client("cloudformation")
    stack = find(cloudformation, place.stack)
    if stack is None:
        return
    if stack.busy:
        raise DeployError(f"{place.stack} {refusal(stack.status, place.stage)}")
    _remove(place, cloudformation, stack)


def bucket_of(place: Place) -> str:
    """The bucket that packages are uploaded to, one for all stages."""
    return f"belltower-artifacts-{place.account()}-{place.region}"


# --- what is uploaded -------------------------------------------------------------------------------------------------


def _bucket(deployment: Deployment) -> str:
    """Ours, made if need be. One of that name that is somebody else's is refused: its owner could swap code."""
    name, s3 = bucket_of(deployment), deployment.client("s3")
    try:
        s3.head_bucket(Bucket=name, ExpectedBucketOwner=deployment.account())
    except ClientError as error:
        if error.response["Error"]["Code"] not in {"404", "NoSuchBucket"}:
            raise DeployError(f"the bucket {name} cannot be used ({error}): is it another account's?") from error
        deployment.say(f"deploy: creating the bucket {name}")
        elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": deployment.region}}
        s3.create_bucket(Bucket=name, **({} if deployment.region == "us-east-1" else elsewhere))
        closed = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
        s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=dict.fromkeys(closed, True))
    return name


def _upload(deployment: Deployment, bucket: str) -> str:
    """Uploads the code under its own hash, unless it is there."""
    code = deployment.artifact.code.read_bytes()
    key, s3 = f"{_hash(code)}.zip", deployment.client("s3")
    try:
        s3.head_object(Bucket=bucket, Key=key)
    except ClientError:
        deployment.say(f"deploy: uploading {len(code) / 1e6:.1f} MB")
        s3.put_object(Bucket=bucket, Key=key, Body=code)
    return key


def _upload_template(deployment: Deployment, bucket: str, code: str) -> str:
    """The template's URL, with the code's place in it: it outgrows what may be sent inline."""
    template = deployment.template()
    for resource in template["Resources"].values():
        if resource.get("Properties", {}).get("CodeUri") == deployment.artifact.code.name:
            resource["Properties"]["CodeUri"] = {"Bucket": bucket, "Key": code}
    template["Outputs"][MADE_OF] = {"Value": deployment.made_of()}
    body = json.dumps(template).encode()
    s3, name = deployment.client("s3"), f"{_hash(body)}.json"
    s3.put_object(Bucket=bucket, Key=name, Body=body)
    return f"{s3.meta.endpoint_url}/{bucket}/{name}"


def _hash(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()


# --- the stack --------------------------------------------------------------------------------------------------------


def _change(deployment: Deployment, cloudformation: Any, found: Stack | None) -> Stack:  # noqa: ANN401 - boto3 makes its clients at run time
    """Creates or updates the stack. What it is when that is done."""
    bucket = _bucket(deployment)
    request = {
        "StackName": deployment.stack,
        "TemplateURL": _upload_template(deployment, bucket, _upload(deployment, bucket)),
        "Parameters": parameters_for(deployment, found),
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    }
    before = events_of(cloudformation, found.identifier) if found else []
    deployment.say(f"deploy: {'updating' if found else 'creating'} {deployment.stack}")
    if not _started(cloudformation, request, found) and found:
        deployment.say("deploy: unchanged")
        return found
    begun = find(cloudformation, deployment.stack)
    stack = begun and follow(cloudformation, begun, before=before, pause=deployment.pause, say=deployment.say)
    if stack is None:
        raise DeployError(f"{deployment.stack} is gone: somebody removed it meanwhile")
    return stack


def parameters_for(deployment: Deployment, found: Stack | None) -> list[dict[str, Any]]:
    """The parameters of CreateStack and UpdateStack: those that are given, and those the stack has and shall keep."""
    given = {"Stage": deployment.stage, **deployment.parameters}
    known = deployment.template()["Parameters"]
    kept = [name for name in (found.parameters if found else ()) if name in known and name not in given]
    return [
        *({"ParameterKey": name, "ParameterValue": value} for name, value in given.items()),
        *({"ParameterKey": name, "UsePreviousValue": True} for name in kept),
    ]


def _started(cloudformation: Any, request: Mapping[str, Any], found: Stack | None) -> bool:  # noqa: ANN401 - boto3 makes its clients at run time
    """Whether there was anything to do."""
    if found is None:
        cloudformation.create_stack(**request, OnFailure="ROLLBACK")
        return True
    try:
        cloudformation.update_stack(**request)
    except ClientError as error:
        if "No updates are to be performed" not in str(error):
            raise
        return False
    return True


def _remove(place: Place, cloudformation: Any, stack: Stack) -> None:  # noqa: ANN401 - boto3 makes its clients at run time
    before = events_of(cloudformation, stack.identifier)
    cloudformation.delete_stack(StackName=stack.identifier)
    follow(cloudformation, stack, before=before, pause=place.pause, say=place.say)


def _told(stack: Stack) -> dict[str, str]:
    return {**stack.outputs, "StackStatus": stack.status}
