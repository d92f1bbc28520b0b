"""moto's door: where our adapters take the wire, in front of botocore's client, which moto stands behind."""

import threading
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.exceptions import ClientError

from chalicelib.wire import Refusal

NAMES = {
    "BatchGetItem": "batch_get_item",
    "BatchWriteItem": "batch_write_item",
    "DeleteItem": "delete_item",
    "GetItem": "get_item",
    "PutItem": "put_item",
    "Query": "query",
    "Scan": "scan",
    "TransactWriteItems": "transact_write_items",
    "UpdateItem": "update_item",
    "Decrypt": "decrypt",
    "GenerateDataKey": "generate_data_key",
}


class BotoDoor:
    """One call at a time: moto checks a condition and writes in two steps."""

    def __init__(self, service: str) -> None:
        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        make: Any = boto3.client
        self._client, self._lock = make(service, region_name="us-east-1", **keys), threading.Lock()

    def call(self, operation: str, request: Mapping[str, Any], /) -> dict[str, Any]:
        try:
            with self._lock:
                answer: dict[str, Any] = getattr(self._client, NAMES[operation])(**request)
        except ClientError as error:
            response: Any = error.response
            raise Refusal(response["Error"]["Code"], response) from error
        return answer
