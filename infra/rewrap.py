"""`make rewrap`: wraps every account's data key anew, under what the stage's KMS key is now.

    python -m infra.rewrap --stage prod --region eu-central-1

KMS rotates the key each year and opens with its old material for ever, so this is for those who may have nothing left
under the old. Stop it when you like: begun again, it goes on where it was. What it does, and what it takes care of,
stands in chalicelib/operations/rewrap.py. Credentials come from wherever boto3 finds them; they need dynamodb:Scan,
GetItem, PutItem and UpdateItem on the accounts table, and kms:ReEncryptFrom and kms:ReEncryptTo on the key.
"""

from __future__ import annotations

import argparse
import os
import sys
import uuid
from typing import TYPE_CHECKING, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.delivery.clock import SystemClock
from chalicelib.observability import JsonEvents, MeteredLog
from chalicelib.operations.rewrap import Progress, rewrap
from chalicelib.scheduling.errors import BelltowerError
from chalicelib.signing import AwsCredentials
from chalicelib.storage.data_keys import DynamoDataKeys
from chalicelib.storage.vault import KmsVault
from chalicelib.wire import DYNAMODB, KMS, Refusal, Surroundings, Wire
from infra.advice import SIGN_IN, advice
from infra.command import ENGINE_KEY, UsageError, region_of
from infra.deploy import Place
from infra.stacks import DeployError, find

if TYPE_CHECKING:
    from collections.abc import Iterator

INTERRUPTED: Final = 130
RESUME: Final = "what was done is remembered: run the same command again to go on"


def main(arguments: list[str]) -> int:
    """Says after each page how far it came. 0: all is done; 1: not all, or some did not open; 130: after Ctrl-C."""
    try:
        return _run(_place(arguments))
    except KeyboardInterrupt:
        return _fail(f"stopped; {RESUME}", INTERRUPTED)
    except (BelltowerError, Refusal) as error:
        return _fail(f"{error}; {RESUME}", 1)
    except (UsageError, DeployError) as error:
        return _fail(error, 1)
    except (BotoCoreError, ClientError) as error:
        return _fail(advice(error), 1)


def line(progress: Progress) -> str:
    """How far it came."""
    counts = f"{progress.wrapped} wrapped, {progress.skipped} removed meanwhile, {progress.broken} that do not open"
    return f"rewrap: {'done' if progress.ended else 'so far'}: {counts}"


def pages(place: Place) -> Iterator[Progress]:
    """The run on a stage. Raises DeployError where there is none."""
    stack = find(place.client("cloudformation"), place.stack)
    if stack is None:
        raise DeployError(f"there is no {place.stack} in {place.region}")
    around = Surroundings(region=place.region, credentials=_credentials(place), endpoint=place.endpoint)
    return rewrap(
        DynamoDataKeys(Wire(DYNAMODB, around), stack.outputs["AccountsTableName"]),
        KmsVault(Wire(KMS, around), stack.outputs["KeyArn"], SystemClock()),
        clock=SystemClock(),
        events=JsonEvents(MeteredLog(place.stage)),
        by=str(uuid.uuid4()),
    )


def _run(place: Place) -> int:
    broken = 0
    for progress in pages(place):
        print(line(progress), flush=True)
        broken = progress.broken
    return 1 if broken else 0


def _place(arguments: list[str]) -> Place:
    parser = argparse.ArgumentParser(prog="python -m infra.rewrap", description=main.__doc__)
    parser.add_argument("--stage", default="dev")
    parser.add_argument("--region", default="")
    parser.add_argument("--endpoint", default="", help="an engine instead of AWS")
    given = parser.parse_args(arguments)
    region = region_of(given.region, os.environ, endpoint=given.endpoint)
    key = ENGINE_KEY if given.endpoint else None
    return Place(stage=given.stage, region=region, endpoint=given.endpoint or None, key=key)


def _credentials(place: Place) -> AwsCredentials:
    """As boto3 finds them; the engine's are anybody's. Raises DeployError."""
    if place.key:
        return AwsCredentials(access_key_id=place.key, secret_access_key=place.key)
    found = boto3.Session().get_credentials()
    if found is None:
        raise DeployError(f"there are no AWS credentials. {SIGN_IN}")
    frozen = found.get_frozen_credentials()
    return AwsCredentials(
        access_key_id=frozen.access_key or "",
        secret_access_key=frozen.secret_key or "",
        session_token=frozen.token or "",
    )


def _fail(error: object, code: int) -> int:
    print(error, file=sys.stderr, flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
