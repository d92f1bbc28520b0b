"""`make rewrap` on a stack of its own in the embedded engine: its key, its table, its words."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from chalicelib.delivery.clock import SystemClock
from chalicelib.scheduling.account import Account
from chalicelib.scheduling.secret import Secret
from chalicelib.signing import AwsCredentials
from chalicelib.storage.accounts import DynamoAccounts
from chalicelib.storage.tables import Table
from chalicelib.storage.vault import KmsVault
from chalicelib.wire import KMS, Surroundings, Wire
from infra.deploy import Place
from infra.rewrap import line, main, pages
from tests.world import START

if TYPE_CHECKING:
    from tests.engine import RunningEngine

pytestmark = pytest.mark.engine

TEMPLATE = {
    "Resources": {
        "Key": {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": {"Version": "2012-10-17", "Statement": []}}},
        "Table": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "TableName": "accounts",
                "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
                "AttributeDefinitions": [
                    {"AttributeName": "pk", "AttributeType": "S"},
                    {"AttributeName": "sk", "AttributeType": "S"},
                ],
            },
        },
    },
    "Outputs": {
        "AccountsTableName": {"Value": {"Ref": "Table"}},
        "KeyArn": {"Value": {"Fn::GetAtt": ["Key", "Arn"]}},
    },
}


@pytest.fixture
def place(engine: RunningEngine) -> Place:
    """A stage with a key and a table, and nothing else."""
    made = Place(stage="small", endpoint=engine.endpoint, key=engine.account())
    cloudformation = made.client("cloudformation")
    cloudformation.create_stack(StackName=made.stack, TemplateBody=json.dumps(TEMPLATE))
    cloudformation.get_waiter("stack_create_complete").wait(StackName=made.stack, WaiterConfig={"Delay": 1})
    return made


def test_t40_every_data_key_of_a_stage_is_wrapped_anew(place: Place, engine: RunningEngine) -> None:
    outputs = place.client("cloudformation").describe_stacks(StackName=place.stack)["Stacks"][0]["Outputs"]
    [key_arn] = [one["OutputValue"] for one in outputs if one["OutputKey"] == "KeyArn"]
    assert place.key
    credentials = AwsCredentials(access_key_id=place.key, secret_access_key=place.key)
    around = Surroundings(region=place.region, credentials=credentials, endpoint=place.endpoint)
    vault = KmsVault(Wire(KMS, around), key_arn, SystemClock())
    with engine.wire(place.key) as wire:
        accounts = DynamoAccounts(Table(wire, "accounts"))
        ada = Account(
            account_id="ada", name="ada", email="a@b.cd", created_at=START, data_key=vault.new_data_key("ada")
        )
        sealed = vault.seal(ada, "p", Secret("ada's"))
        for name in ("ada", *map("account-{}".format, range(30))):
            accounts.add(replace(ada, account_id=name, name=name, email=f"{name}@b.cd"))
        told = [line(progress) for progress in pages(place)]
        now = accounts.account("ada")
    assert told[-1] == "rewrap: done: 1 wrapped, 0 removed meanwhile, 30 that do not open"
    assert now
    assert now.data_key != ada.data_key
    assert KmsVault(Wire(KMS, around), key_arn, SystemClock()).open(now, "p", sealed) == Secret("ada's")


def test_a_stage_that_is_not_there_is_told(engine: RunningEngine, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--stage", "nowhere", "--endpoint", engine.endpoint]) == 1
    assert capsys.readouterr().err == "there is no belltower-nowhere in us-east-1\n"
