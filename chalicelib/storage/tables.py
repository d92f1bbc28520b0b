"""One DynamoDB table: plain items in and out, our errors, and a meter.

pynamodb gives the expressions, conditions and updates; its models are left out on purpose, because they cost twice the
CPU on every page and claim, and hide the old item that a claim must see when its condition fails. The calls go through
`chalicelib.wire`, whose time-outs are short: pynamodb's own could hold a caller for minutes.
"""

import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pynamodb.connection.base import Connection, MetaTable
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.operand import Path
from pynamodb.expressions.update import Action

from chalicelib.scheduling.errors import Unavailable
from chalicelib.storage.values import Item, dumped, loaded, value_of
from chalicelib.wire import Refusal, pause_before

Key = tuple[str, str]

GET_LIMIT, PUT_LIMIT, STATEMENT_LIMIT = 100, 25, 25
ROUNDS = 5  # how often a batch is sent for what DynamoDB leaves undone of it, with pauses in between
PASSING = frozenset(
    {"InternalServerError", "ProvisionedThroughputExceeded", "RequestLimitExceeded", "ThrottlingError"}
    | {"TransactionConflict"}
)
"""Errors of one statement in a batch that say "not now"."""


class Refused(Exception):
    """A condition did not hold. `old` is the item that stood there, None where there was none."""

    def __init__(self, old: Item | None) -> None:
        super().__init__("condition not met")
        self.old = old


class Door(Protocol):
    """Where the calls go: the wire, or something in memory. Raises Refusal and Unavailable."""

    def call(self, operation: str, request: Mapping[str, Any], /) -> dict[str, Any]:
        """One call of DynamoDB's API, in its own JSON."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A conditional write in PartiQL: one text for all items, so that DynamoDB parses it once, and its parameters."""

    text: str
    parameters: Sequence[Any]


class Table:
    """A table with the keys `pk` and `sk`. `units` counts the capacity consumed, by operation.

    `sleep`: what waits between the rounds of a batch.
    """

    def __init__(self, door: Door, name: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.name = name
        self.units: Counter[str] = Counter()
        self._door, self._sleep = door, sleep
        self._expressions = Connection(region="none")  # makes no call
        self._expressions.add_meta_table(_described(name))

    def get(self, key: Key) -> Item | None:
        """One item, read consistently."""
        answer = self._call("GetItem", self._kwargs(key, consistent_read=True))
        return loaded(answer["Item"]) if answer.get("Item") else None

    def put(self, item: Item, *, condition: Condition | None = None) -> None:
        """Writes a whole item. Raises Refused."""
        self._call("PutItem", self._put(item, condition))

    def update(self, key: Key, actions: Sequence[Action], *, condition: Condition) -> Item:
        """Changes one item and returns it as written. Raises Refused with the old one."""
        kwargs = self._kwargs(key, actions=actions, condition=condition, return_values="ALL_NEW")
        answer = self._call("UpdateItem", kwargs | {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"})
        return loaded(answer["Attributes"])

    def query(
        self, hash_value: str | int, *, between: tuple[Any, Any] | None = None, prefix: str = "", **options: Any
    ) -> Iterator[list[Item]]:
        """The pages of one hash key. `options`: index, newest_first, limit (items a page)."""
        for page in self._raw_pages(self._query(hash_value, between, prefix, **options)):
            yield [loaded(item) for item in page]

    def entries(
        self, hash_value: str | int, *, between: tuple[Any, Any], **options: Any
    ) -> Iterator[list[Mapping[str, Any]]]:
        """As `query`, with the items as DynamoDB has them: for pages of a thousand, half of the work is left out."""
        return self._raw_pages(self._query(hash_value, between, "", **options))

    def _raw_pages(self, kwargs: dict[str, Any]) -> Iterator[list[Mapping[str, Any]]]:
        """Page after page of a query."""
        while True:
            answer = self._call("Query", kwargs)
            yield answer["Items"]
            if not answer.get("LastEvaluatedKey"):
                return
            kwargs["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def count(self, hash_value: str, *, prefix: str) -> int:
        """How many items of one hash key begin with a prefix."""
        kwargs, total = self._query(hash_value, None, prefix) | {"Select": "COUNT"}, 0
        while True:
            answer = self._call("Query", kwargs)
            total += int(answer["Count"])
            if not answer.get("LastEvaluatedKey"):
                return total
            kwargs["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def count_page(self, hash_value: str | int, *, between: tuple[Any, Any], index: tuple[str, str, str]) -> int:
        """How many items of one hash key are in a range, as far as one page (a megabyte) goes."""
        kwargs = self._query(hash_value, between, "", index=index)
        return int(self._call("Query", kwargs | {"Select": "COUNT"})["Count"])

    def scan(self, attributes: Sequence[str], *, after: Key | None, limit: int) -> tuple[list[Item], Key | None]:
        """A page of the whole table, read consistently: these attributes of the items behind a key, and the next key.

        For what is done for all accounts, never for a request.
        """
        kwargs: dict[str, Any] = {
            "TableName": self.name,
            "ConsistentRead": True,
            "Limit": limit,
            "Select": "SPECIFIC_ATTRIBUTES",
            "ProjectionExpression": ", ".join(attributes),
        }
        answer = self._call("Scan", kwargs | ({"ExclusiveStartKey": _key(after)} if after else {}))
        last = loaded(answer.get("LastEvaluatedKey") or {})
        return [loaded(item) for item in answer["Items"]], (last["pk"], last["sk"]) if last else None

    def batch_get(self, keys: Iterable[Key]) -> list[Item]:
        """Those of the items that exist, read consistently, in no order."""
        wanted, found = [_key(key) for key in dict.fromkeys(keys)], []
        for start in range(0, len(wanted), GET_LIMIT):
            pending = wanted[start : start + GET_LIMIT]
            for _ in self._rounds():
                request = {"RequestItems": {self.name: {"Keys": pending, "ConsistentRead": True}}}
                answer = self._call("BatchGetItem", request)
                found += [loaded(item) for item in answer["Responses"].get(self.name, [])]
                pending = answer.get("UnprocessedKeys", {}).get(self.name, {}).get("Keys", [])
                if not pending:
                    break
            else:
                raise Unavailable("the database")
        return found

    def batch_put(self, items: Sequence[Item]) -> list[Item]:
        """Writes whole items without conditions; returns those that DynamoDB would not take."""
        left: list[Item] = []
        for start in range(0, len(items), PUT_LIMIT):
            pending = [{"PutRequest": {"Item": dumped(item)}} for item in items[start : start + PUT_LIMIT]]
            for _ in self._rounds():
                answer = self._call("BatchWriteItem", {"RequestItems": {self.name: pending}})
                pending = answer.get("UnprocessedItems", {}).get(self.name, [])
                if not pending:
                    break
            left += [loaded(entry["PutRequest"]["Item"]) for entry in pending]
        return left

    def execute(self, statements: Sequence[Statement]) -> list[Refused | Unavailable | None]:
        """Conditional writes in as few calls as there can be, each with a verdict of its own: None where it was done.

        Raises Unavailable for all when a call got no answer: some may be done.
        """
        verdicts: list[Refused | Unavailable | None] = []
        for start in range(0, len(statements), STATEMENT_LIMIT):
            verdicts += self._execute(statements[start : start + STATEMENT_LIMIT])
        return verdicts

    def _execute(self, statements: Sequence[Statement]) -> list[Refused | Unavailable | None]:
        """One batch; what was throttled of it is sent again, and what was done after all is refused then."""
        answers = list(self._responses(statements))
        for number in range(1, ROUNDS):
            left = [place for place, answer in enumerate(answers) if _code(answer) in PASSING]
            if not left:
                break
            self._sleep(pause_before(number))
            try:
                again = self._responses([statements[place] for place in left])
            except Unavailable:  # the verdicts on the others hold
                break
            for place, answer in zip(left, again, strict=True):
                answers[place] = answer
        return [_verdict(one) for one in answers]

    def _responses(self, statements: Sequence[Statement]) -> Sequence[Mapping[str, Any]]:
        request = {"Statements": [_asked(one) for one in statements]}
        responses: Sequence[Mapping[str, Any]] = self._call("BatchExecuteStatement", request)["Responses"]
        return responses

    def _rounds(self) -> Iterator[int]:
        """Numbers the rounds of a batch, and waits before each but the first."""
        for number in range(ROUNDS):
            if number:
                self._sleep(pause_before(number))
            yield number

    def transact(self, *changes: Mapping[str, Any]) -> None:
        """All of the changes (`putting`, `updating`, `deleting`) or none. Raises Refused where a condition fails.

        The token makes it one transaction however often the wire sends it: a lost reply is no failed condition.
        """
        self._call("TransactWriteItems", {"TransactItems": list(changes), "ClientRequestToken": str(uuid.uuid4())})

    def checking(self, key: Key, *, condition: Condition) -> Mapping[str, Any]:
        """A condition on an item that stays as it is, for `transact`."""
        return {"ConditionCheck": self._kwargs(key, condition=condition)}

    def putting(self, item: Item, *, condition: Condition | None = None) -> Mapping[str, Any]:
        """A put for `transact`."""
        return {"Put": self._put(item, condition)}

    def updating(self, key: Key, actions: Sequence[Action], *, condition: Condition | None = None) -> Mapping[str, Any]:
        """An update for `transact`."""
        return {"Update": self._kwargs(key, actions=actions, condition=condition)}

    def deleting(self, key: Key, *, condition: Condition | None = None) -> Mapping[str, Any]:
        """A delete for `transact`."""
        return {"Delete": self._kwargs(key, condition=condition)}

    def _put(self, item: Item, condition: Condition | None) -> dict[str, Any]:
        kwargs = self._kwargs((item["pk"], item["sk"]), condition=condition)
        del kwargs["Key"]
        return kwargs | {"Item": dumped(item)}

    def _kwargs(self, key: Key, **options: Any) -> dict[str, Any]:
        return self._expressions.get_operation_kwargs(self.name, key[0], key[1], **options)

    def _query(
        self,
        hash_value: str | int,
        between: tuple[Any, Any] | None,
        prefix: str,
        *,
        index: tuple[str, str, str] = ("", "pk", "sk"),
        newest_first: bool = False,
        limit: int | None = None,
    ) -> dict[str, Any]:
        name, hash_key, range_key = index
        condition: Condition = Path([hash_key]) == value_of(hash_value)
        if between:
            condition &= Path([range_key]).between(value_of(between[0]), value_of(between[1]))
        if prefix:
            condition &= Path([range_key]).startswith(prefix)
        names: dict[str, str] = {}
        values: dict[str, Any] = {}
        kwargs: dict[str, Any] = {
            "TableName": self.name,
            "KeyConditionExpression": condition.serialize(names, values),
            "ExpressionAttributeNames": {placeholder: attribute for attribute, placeholder in names.items()},
            "ExpressionAttributeValues": values,
            "ScanIndexForward": not newest_first,
        }
        return (
            kwargs | ({"IndexName": name} if name else {"ConsistentRead": True}) | ({"Limit": limit} if limit else {})
        )

    def _call(self, operation: str, kwargs: dict[str, Any]) -> dict[str, Any]:
        try:
            answer = self._door.call(operation, {"ReturnConsumedCapacity": "TOTAL", **kwargs})
        except Refusal as refusal:
            raise _translated(refusal) from refusal
        self._measure(operation, answer.get("ConsumedCapacity"))
        return answer

    def _measure(self, operation: str, consumed: Any) -> None:
        for entry in consumed if isinstance(consumed, list) else [consumed] if consumed else []:
            self.units[operation] += entry.get("CapacityUnits", 0)


def _translated(refusal: Refusal) -> Exception:
    """A condition that did not hold; else a request that is wrong, which is a bug of ours, or a role's fault."""
    if refusal.code == "ConditionalCheckFailedException":
        return Refused(_old(refusal.body))
    if refusal.code == "TransactionCanceledException":
        reasons = {reason.get("Code") for reason in refusal.body.get("CancellationReasons", [])}
        return Refused(None) if "ConditionalCheckFailed" in reasons else Unavailable("the database")
    return refusal


def _asked(statement: Statement) -> dict[str, Any]:
    parameters = [value_of(value) for value in statement.parameters]
    return {
        "Statement": statement.text,
        "Parameters": parameters,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def _verdict(response: Mapping[str, Any]) -> Refused | Unavailable | None:
    """What DynamoDB said about one statement of several."""
    error = response.get("Error")
    if not error:
        return None
    return Refused(_old(error)) if _code(response) == "ConditionalCheckFailed" else Unavailable("the database")


def _code(response: Mapping[str, Any]) -> str | None:
    """The error of one statement of several, if it had one."""
    code: str | None = response.get("Error", {}).get("Code")
    return code


def _old(answer: Mapping[str, Any]) -> Item | None:
    return loaded(answer["Item"]) if answer.get("Item") else None


def setting(changes: Mapping[str, Any]) -> list[Action]:
    """SET for what has a value, REMOVE for what is None."""
    return [
        Path([name]).remove() if value is None else Path([name]).set(value_of(value)) for name, value in changes.items()
    ]


def equals(name: str, value: Any, *deeper: str) -> Condition:
    """A condition on one attribute, or on a field of a map."""
    return Path([name, *deeper]) == value_of(value)


ABSENT = Path(["pk"]).does_not_exist()
PRESENT = Path(["pk"]).exists()


def _key(key: Key) -> dict[str, Any]:
    return {"pk": {"S": key[0]}, "sk": {"S": key[1]}}


def _described(name: str) -> MetaTable:
    """What pynamodb would ask DescribeTable for, at every cold start."""
    schema = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]
    attributes = [{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "S"}]
    return MetaTable({"TableName": name, "KeySchema": schema, "AttributeDefinitions": attributes})
