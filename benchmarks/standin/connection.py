"""The in-process doors: where our stores take pynamodb's connection, and where our queue takes an SQS client."""

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError
from pynamodb.connection.base import Connection
from pynamodb.exceptions import VerboseClientError

from benchmarks.standin.dynamo import Dynamo
from benchmarks.standin.errors import AwsError
from benchmarks.standin.sqs import Sqs


class StandinConnection(Connection):
    """pynamodb's connection: it builds the calls, the stand-in answers them. No client is made, nothing is signed."""

    def __init__(self, dynamo: Dynamo) -> None:
        super().__init__(region="us-east-1")
        self._dynamo = dynamo

    def dispatch(self, operation_name: str, operation_kwargs: dict[str, Any]) -> dict[str, Any]:
        """As pynamodb does it, with its error around the service's."""
        kwargs = {"ReturnConsumedCapacity": "TOTAL"} | operation_kwargs
        try:
            return self._dynamo.dispatch(operation_name, kwargs)
        except AwsError as error:
            described = {"Error": {"Code": error.code, "Message": error.message}}
            raise VerboseClientError(described, operation_name) from client_error(error, operation_name)


class SqsClient:
    """The calls of an SQS client that are made here, on the stand-in."""

    def __init__(self, sqs: Sqs) -> None:
        self._sqs = sqs

    def send_message_batch(self, **kwargs: Any) -> Mapping[str, Any]:  # noqa: ANN401 - the client's own signature
        """Ten messages at most."""
        return self._call("SendMessageBatch", kwargs)

    def get_queue_attributes(self, **kwargs: Any) -> Mapping[str, Any]:  # noqa: ANN401 - the client's own signature
        """How many messages there are."""
        return self._call("GetQueueAttributes", kwargs)

    def receive_message(self, **kwargs: Any) -> Mapping[str, Any]:  # noqa: ANN401 - the client's own signature
        """Ten messages at most; never waits."""
        return self._call("ReceiveMessage", kwargs)

    def delete_message_batch(self, **kwargs: Any) -> Mapping[str, Any]:  # noqa: ANN401 - the client's own signature
        """By receipt handle."""
        return self._call("DeleteMessageBatch", kwargs)

    def change_message_visibility(self, **kwargs: Any) -> Mapping[str, Any]:  # noqa: ANN401 - the client's own signature
        """From now on."""
        return self._call("ChangeMessageVisibility", kwargs)

    def _call(self, operation: str, kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            return self._sqs.dispatch(operation, kwargs)
        except AwsError as error:
            raise client_error(error, operation) from error


def client_error(error: AwsError, operation: str) -> ClientError:
    """What botocore would raise for an answer of the service."""
    response: Any = {"Error": {"Code": error.code, "Message": error.message}, **error.details}
    return ClientError(response, operation)
