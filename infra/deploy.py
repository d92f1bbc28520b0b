"""Deploys a packaged app with CloudFormation: to AWS, or to whatever answers at `endpoint`.

    python -m infra.deploy --stage prod --parameter MaxReceiveCount=3

The stack bears the hash of what it was made of (code, template, parameters) as a tag. Deploying the same thing again
asks one question and changes nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.package import Artifact, PackagingError, package

TAG: Final = "belltower:made-of"
PATIENCE: Final = 30 * 60
"""Seconds to wait for CloudFormation."""

Say = Callable[[str], None]


class DeployError(Exception):
    """The stack is not what it should be. The text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """Where to deploy what, and how. `key` picks the account on the embedded engine; on AWS boto3 finds keys itself."""

    artifact: Artifact
    stage: str = "dev"
    region: str = "us-east-1"
    endpoint: str | None = None
    key: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    say: Say = print

    @property
    def stack(self) -> str:
        """The stack's name."""
        return f"belltower-{self.stage}"

    def client(self, service: str) -> Any:  # noqa: ANN401 - boto3 makes its clients at run time
        """A client for where this goes."""
        make: Any = boto3.client
        return make(
            service,
            region_name=self.region,
            endpoint_url=self.endpoint,
            aws_access_key_id=self.key,
            aws_secret_access_key=self.key and "test",
            config=Config(s3={"addressing_style": "path"}) if self.endpoint else None,
        )


def deploy(deployment: Deployment) -> dict[str, str]:
    """Creates or updates the stack and waits for it. Its outputs by name, `StackStatus` among them."""
    parameters = {"Stage": deployment.stage, **deployment.parameters}
    code = deployment.artifact.code.read_bytes()
    made_of = _hash(code, deployment.artifact.template.read_bytes(), json.dumps(parameters, sort_keys=True).encode())
    cloudformation = deployment.client("cloudformation")
    found = _describe(cloudformation, deployment.stack)
    if found and found["StackStatus"] == "ROLLBACK_COMPLETE":  # a first creation that failed: there is nothing in it
        deployment.say("deploy: removing the remains of a failed creation")
        cloudformation.delete_stack(StackName=deployment.stack)
        _wait(deployment, cloudformation, since=found)
        found = None
    if found and _is_made_of(found, made_of):
        deployment.say("deploy: unchanged")
        return _outputs(found)
    bucket = _bucket(deployment)
    key = _upload(deployment, bucket, code)
    _start(
        deployment,
        cloudformation,
        exists=found is not None,
        request=_request(deployment, bucket, key, parameters, made_of),
    )
    return _outputs(_wait(deployment, cloudformation, since=found))


# --- what is uploaded -------------------------------------------------------------------------------------------------


def _bucket(deployment: Deployment) -> str:
    account = deployment.client("sts").get_caller_identity()["Account"]
    name = f"belltower-artifacts-{account}-{deployment.region}"
    s3 = deployment.client("s3")
    try:
        s3.head_bucket(Bucket=name)
    except ClientError:
        deployment.say(f"deploy: creating the bucket {name}")
        elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": deployment.region}}
        s3.create_bucket(Bucket=name, **({} if deployment.region == "us-east-1" else elsewhere))
        closed = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
        s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=dict.fromkeys(closed, True))
    return name


def _upload(deployment: Deployment, bucket: str, code: bytes) -> str:
    """Uploads the code under its own hash, unless it is there."""
    key = f"{_hash(code)}.zip"
    s3 = deployment.client("s3")
    try:
        s3.head_object(Bucket=bucket, Key=key)
    except ClientError:
        deployment.say(f"deploy: uploading {len(code) / 1e6:.1f} MB")
        s3.put_object(Bucket=bucket, Key=key, Body=code)
    return key


def _request(
    deployment: Deployment, bucket: str, key: str, parameters: Mapping[str, str], made_of: str
) -> dict[str, Any]:
    """The arguments of CreateStack and UpdateStack. The template goes by URL: it outgrows what may be sent inline."""
    template = json.loads(deployment.artifact.template.read_text())
    for resource in template["Resources"].values():
        if resource.get("Properties", {}).get("CodeUri") == deployment.artifact.code.name:
            resource["Properties"]["CodeUri"] = {"Bucket": bucket, "Key": key}
    body = json.dumps(template)
    s3, name = deployment.client("s3"), f"{_hash(body.encode())}.json"
    s3.put_object(Bucket=bucket, Key=name, Body=body.encode())
    return {
        "StackName": deployment.stack,
        "TemplateURL": f"{s3.meta.endpoint_url}/{bucket}/{name}",
        "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        "Tags": [{"Key": TAG, "Value": made_of}],
    }


def _hash(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()


# --- the stack --------------------------------------------------------------------------------------------------------


def _describe(cloudformation: Any, stack: str) -> dict[str, Any] | None:  # noqa: ANN401 - boto3 makes its clients at run time
    try:
        found: dict[str, Any] = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    return None if found["StackStatus"] == "DELETE_COMPLETE" else found


def _is_made_of(stack: Mapping[str, Any], made_of: str) -> bool:
    complete = stack["StackStatus"] in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}
    return complete and {"Key": TAG, "Value": made_of} in stack.get("Tags", [])


def _start(deployment: Deployment, cloudformation: Any, *, exists: bool, request: dict[str, Any]) -> None:  # noqa: ANN401 - boto3 makes its clients at run time
    deployment.say(f"deploy: {'updating' if exists else 'creating'} {deployment.stack}")
    if not exists:
        cloudformation.create_stack(**request, OnFailure="ROLLBACK")
        return
    try:
        cloudformation.update_stack(**request)
    except ClientError as error:
        if "No updates are to be performed" not in str(error):
            raise


def _wait(deployment: Deployment, cloudformation: Any, *, since: Mapping[str, Any] | None) -> dict[str, Any]:  # noqa: ANN401 - boto3 makes its clients at run time
    """Waits until nothing is in progress, telling each failure. The stack as it is then, {} when it is gone."""
    pause, deadline = (0.1 if deployment.endpoint else 3.0), time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        stack = _describe(cloudformation, since["StackId"] if since else deployment.stack)
        status = stack["StackStatus"] if stack else "DELETE_COMPLETE"
        if not status.endswith("_IN_PROGRESS"):
            if status not in {"CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_COMPLETE"}:
                raise DeployError(f"{deployment.stack} is {status}: {_failures(cloudformation, deployment.stack)}")
            return stack or {}
        time.sleep(pause)
    raise DeployError(f"{deployment.stack} is still {status} after {PATIENCE // 60} minutes")


def _failures(cloudformation: Any, stack: str) -> str:  # noqa: ANN401 - boto3 makes its clients at run time
    events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    failed = [event for event in reversed(events) if event["ResourceStatus"].endswith("_FAILED")]
    reasons = [
        f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', 'no reason given')}" for event in failed
    ]
    return "; ".join(reasons[-5:]) or "no failed resource was reported"


def _outputs(stack: Mapping[str, Any]) -> dict[str, str]:
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
    return outputs | {"StackStatus": stack["StackStatus"]}


# --- the command ------------------------------------------------------------------------------------------------------


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign:
        raise argparse.ArgumentTypeError(f"{text}: expected Name=Value")
    return name, value


def main(arguments: list[str]) -> int:
    """Packages Belltower, deploys it and prints the stack's outputs."""
    parser = argparse.ArgumentParser(prog="python -m infra.deploy", description=main.__doc__)
    parser.add_argument("--stage", default="dev", choices=["dev", "prod"])
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--endpoint", help="an engine instead of AWS")
    parser.add_argument("--parameter", action="append", type=_pair, default=[], metavar="Name=Value")
    given = parser.parse_args(arguments)
    try:
        artifact = package(stage=given.stage)
        outputs = deploy(
            Deployment(
                artifact=artifact,
                stage=given.stage,
                region=given.region,
                endpoint=given.endpoint,
                parameters=dict(given.parameter),
            )
        )
    except (PackagingError, DeployError, BotoCoreError, ClientError) as error:
        print(error, file=sys.stderr)
        return 1
    for name, value in sorted(outputs.items()):
        print(f"{name} {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
