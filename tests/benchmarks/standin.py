"""A small table and a pair of queues of the stand-in, as its tests share them."""

from typing import Any

from benchmarks.standin.dynamo import Dynamo
from benchmarks.standin.queue import QueueSchema
from benchmarks.standin.sqs import Sqs
from benchmarks.standin.store import IndexSchema, TableSchema

TABLE, INDEX, QUEUE, DEAD = "t", "next-fire", "q", "dead"
SCHEMA = TableSchema(
    name=TABLE,
    hash="pk",
    range="sk",
    kinds={"pk": "S", "sk": "S", "shard": "N", "due_at": "N"},
    indexes=(IndexSchema(name=INDEX, hash="shard", range="due_at", projected=frozenset(("rev",))),),
)


class Hands:
    """A clock in milliseconds that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1_000_000

    def __call__(self) -> int:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += int(seconds * 1000)


def a_dynamo(clock: Hands | None = None) -> Dynamo:
    return Dynamo([SCHEMA], clock or Hands())


def a_pair_of_queues(clock: Hands, *, visibility: int = 30, most_receives: int = 2) -> Sqs:
    queue = QueueSchema(name=QUEUE, visibility=visibility, dead_letters=DEAD, most_receives=most_receives)
    return Sqs([queue, QueueSchema(name=DEAD, visibility=visibility)], clock)


def value(plain: Any) -> dict[str, Any]:
    match plain:
        case bool():
            return {"BOOL": plain}
        case int() | float():
            return {"N": str(plain)}
        case str():
            return {"S": plain}
        case bytes():
            return {"B": plain}
        case list():
            return {"L": [value(one) for one in plain]}
        case dict():
            return {"M": item(**plain)}
    raise TypeError(plain)


def item(**plain: Any) -> dict[str, Any]:
    return {name: value(one) for name, one in plain.items()}


def key(pk: str = "a", sk: str = "1") -> dict[str, Any]:
    return item(pk=pk, sk=sk)


def put(dynamo: Dynamo, pk: str = "a", sk: str = "1", **plain: Any) -> dict[str, Any]:
    """Puts an item; the answer says what it consumed."""
    request = {"TableName": TABLE, "Item": item(pk=pk, sk=sk, **plain), "ReturnConsumedCapacity": "INDEXES"}
    return dynamo.dispatch("PutItem", request)


def stored(dynamo: Dynamo, pk: str = "a", sk: str = "1") -> dict[str, Any] | None:
    answer = dynamo.dispatch("GetItem", {"TableName": TABLE, "Key": key(pk, sk), "ConsistentRead": True})
    found: dict[str, Any] | None = answer.get("Item")
    return found
