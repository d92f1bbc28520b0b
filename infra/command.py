"""`make deploy` and `make destroy`: say what will happen, do it, show that it works.

    python -m infra.command deploy --stage dev --region eu-central-1 --parameters "Shards=32 AlarmEmail=me@example.com"
    python -m infra.command destroy --stage dev --confirm dev

Credentials come from wherever boto3 finds them. With an endpoint it is the embedded engine that is deployed to, and
what it needs goes along (infra/local/stack.py). The exit code is 0 when all went well, 1 when not, 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra.advice import advice
from infra.deploy import Deployment, Place, bucket_of, deploy, destroy
from infra.local.stack import deploy_beside, localized
from infra.package import ARCHITECTURES, INTEL, STAGE, PackagingError, package
from infra.plan import plan, unknown
from infra.smoke import SmokeError, smoke
from infra.stacks import DeployError, Interrupted, Stack, find

INTERRUPTED: Final = 130
ENGINE_KEY: Final = "test"
"""Of the engine's default account: its APIs answer unsigned calls there only."""

Ask = Callable[[], str]


class UsageError(Exception):
    """The command cannot mean anything. The text says how it should read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What a destroy takes away: tables, each with its items when DynamoDB last counted, and those protected."""

    stage: str
    stack: str
    tables: Mapping[str, int]
    protected: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """What is said before anything is asked."""
        tables = [f"  table {name}, about {items} items" for name, items in self.tables.items()]
        kept = "its queues, functions, logs, API and alarms; its key, which can be called back for thirty days"
        return [f"{self.stack} will be removed, with all it keeps:", *tables, f"  {kept}"]

    def refusal(self) -> str | None:
        """Why it must not be removed as things are, and how to change them."""
        if not self.protected:
            return None
        commands = "\n".join(
            f"  aws dynamodb update-table --table-name {name} --no-deletion-protection-enabled"
            for name in self.protected
        )
        where = "in the console of DynamoDB (the table's additional settings), or with"
        return f"{self.stack} is protected against deletion. Lift that first, {where}\n{commands}"


def main(arguments: list[str], *, ask: Ask | None = None) -> int:
    """Deploys a stage, or removes one. `ask` reads what the operator types; None where nobody does."""
    try:
        given = _parser().parse_args(arguments)
        return _deploy(given) if given.command == "deploy" else _destroy(given, ask)
    except Interrupted as error:
        return _fail(error, INTERRUPTED)
    except KeyboardInterrupt:
        return _fail("stopped", INTERRUPTED)
    except (UsageError, PackagingError, DeployError, SmokeError) as error:
        return _fail(error, 1)
    except (BotoCoreError, ClientError) as error:
        return _fail(advice(error), 1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infra.command", description=main.__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("deploy", "destroy"):
        one = commands.add_parser(name)
        one.add_argument("--stage", default="dev")
        one.add_argument("--region", default="")
        one.add_argument("--endpoint", default="", help="an engine instead of AWS")
    commands.choices["deploy"].add_argument("--parameters", default="", metavar="'Name=Value ...'")
    commands.choices["deploy"].add_argument("--architecture", default=INTEL, choices=ARCHITECTURES)
    commands.choices["destroy"].add_argument("--confirm", default="", metavar="STAGE")
    return parser


def parameters_in(text: str) -> dict[str, str]:
    """`Name=Value ...`, quoted as a shell would have it. Raises UsageError."""
    found: dict[str, str] = {}
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"PARAMETERS cannot be read: {error}") from error
    for word in words:
        name, sign, value = word.partition("=")
        if not sign or not name:
            raise UsageError(f'{word!r} is no parameter: write PARAMETERS="Shards=32 AlarmEmail=me@example.com"')
        found[name] = value
    return found


def region_of(asked: str, environment: Mapping[str, str], *, endpoint: str) -> str:
    """The region to work in: as asked, else as the AWS tools are told. Raises UsageError."""
    told: str | None = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    if endpoint:
        return asked or "us-east-1"
    region = asked or told or boto3.Session().region_name
    if not region:
        raise UsageError("no region is set. Say which one: make deploy REGION=us-east-1")
    return str(region)


def _place(given: argparse.Namespace) -> Mapping[str, Any]:
    """What a place is made of. Raises UsageError."""
    if not STAGE.fullmatch(given.stage):
        raise UsageError(
            f"STAGE={given.stage} cannot name a stage: a letter, then at most 15 letters and digits, in lower case"
        )
    region = region_of(given.region, os.environ, endpoint=given.endpoint)
    key = ENGINE_KEY if given.endpoint else None
    return {"stage": given.stage, "region": region, "endpoint": given.endpoint or None, "key": key}


# --- deploy -----------------------------------------------------------------------------------------------------------


def _deploy(given: argparse.Namespace) -> int:
    place, parameters = _place(given), parameters_in(given.parameters)
    account = Place(**place).account()  # who cannot sign in learns it before anything is packaged
    artifact = package(stage=given.stage, architecture=given.architecture)
    deployment = Deployment(**place, artifact=artifact, parameters=parameters)
    if wrong := unknown(deployment.template(), parameters):
        raise UsageError(wrong)
    deployment = localized(deployment) if deployment.endpoint else deployment
    found = find(deployment.client("cloudformation"), deployment.stack)
    print(*plan(deployment, account=account, found=found), sep="\n", flush=True)
    outputs = deploy_beside(deployment) if deployment.endpoint else deploy(deployment)
    url = address(deployment, outputs)
    print(f"deployed: the API is at {url}", *_notes(deployment), sep="\n", flush=True)
    late = smoke(url, say=deployment.say)
    print(f"smoke: passed, the job was {late / timedelta(milliseconds=1):.0f} ms late")
    return 0


def address(deployment: Deployment, outputs: Mapping[str, str]) -> str:
    """The API's URL, which ends in a slash."""
    if deployment.endpoint:
        return f"{deployment.endpoint}/_aws/execute-api/{outputs['RestAPIId']}/{deployment.stage}/"
    return outputs["EndpointURL"]


def _notes(deployment: Deployment) -> list[str]:
    if deployment.endpoint:
        return []
    return [
        f"note: its paths begin with /{deployment.stage}/. Clients that take no more than a host name need a domain:",
        f"      map one to the stage {deployment.stage} in the console of API Gateway (custom domain names)",
    ]


# --- destroy ----------------------------------------------------------------------------------------------------------


def _destroy(given: argparse.Namespace, ask: Ask | None) -> int:
    place = Place(**_place(given))
    stack = find(place.client("cloudformation"), place.stack)
    if stack is None:
        print(f"there is no {place.stack} in account {place.account()}, {place.region}")
        return 0
    removal = _removal(place, stack)
    print(f"account {place.account()}, {place.region}", *removal.lines(), sep="\n", flush=True)
    if why := removal.refusal():
        raise DeployError(why)
    _require_confirmation(place.stage, given.confirm, ask)
    destroy(place)
    print(f"{place.stack} is gone. The bucket {bucket_of(place)} with the packages that were uploaded stays")
    return 0


def _removal(place: Place, stack: Stack) -> Removal:
    dynamodb, tables = place.client("dynamodb"), {}
    for output in ("AccountsTableName", "JobsTableName"):
        name = stack.outputs.get(output, f"belltower-{output.removesuffix('TableName').lower()}-{place.stage}")
        try:
            tables[name] = dynamodb.describe_table(TableName=name)["Table"]
        except dynamodb.exceptions.ResourceNotFoundException:
            continue
    return Removal(
        stage=place.stage,
        stack=place.stack,
        tables={name: table.get("ItemCount", 0) for name, table in tables.items()},
        protected=tuple(name for name, table in tables.items() if table.get("DeletionProtectionEnabled")),
    )


def _require_confirmation(stage: str, confirmed: str, ask: Ask | None) -> None:
    """Raises UsageError unless the stage's name was given, on the command line or now."""
    if not confirmed and ask is None:
        raise UsageError(
            f"nothing was removed: nobody is there to be asked. Say make destroy STAGE={stage} CONFIRM={stage}"
        )
    if not confirmed and ask:
        print(f"type the stage's name to remove it ({stage}): ", end="", flush=True)
        confirmed = ask().strip()
    if confirmed != stage:
        raise UsageError(f"nothing was removed: {confirmed!r} is not {stage!r}")


def _fail(error: object, code: int) -> int:
    print(error, file=sys.stderr, flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], ask=sys.stdin.readline if sys.stdin.isatty() else None))
