"""DynamoDB in memory: the operations that are called here, with the real conditions, answers, errors and capacity.

Nothing in it reads the wall clock or draws a number: the same calls give the same answers. An operation, or a parameter
of one, that is not played raises ValidationException. Indexes are never behind their table, and nothing is throttled:
who wants that, puts it in front. TTL deletes nothing.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from benchmarks.standin import reads, statements
from benchmarks.standin.capacity import Bill
from benchmarks.standin.changes import DECIDED, Change, Request, deleting, putting, updating
from benchmarks.standin.errors import AwsError, invalid
from benchmarks.standin.reads import Answer
from benchmarks.standin.store import StoredTable, TableSchema

Millis = Callable[[], int]
"""The present instant, in Unix milliseconds."""

MOST_GETS, MOST_WRITES, MOST_ACTIONS = 100, 25, 100
TOKEN_MILLIS = 10 * 60 * 1000
TRANSACTION = 2

EXPRESSIONS = frozenset(("ExpressionAttributeNames", "ExpressionAttributeValues"))
WRITE = EXPRESSIONS | {"ConditionExpression", "ReturnValues", "ReturnValuesOnConditionCheckFailure"}
READ = frozenset(("ConsistentRead", "ProjectionExpression", "ExpressionAttributeNames"))
PAGED = READ | EXPRESSIONS | {"IndexName", "Select", "Limit", "ScanIndexForward", "ExclusiveStartKey"}
KNOWN: Mapping[str, frozenset[str]] = {
    "GetItem": READ | {"TableName", "Key"},
    "PutItem": WRITE | {"TableName", "Item"},
    "UpdateItem": WRITE | {"TableName", "Key", "UpdateExpression"},
    "DeleteItem": WRITE | {"TableName", "Key"},
    "Query": PAGED | {"TableName", "KeyConditionExpression"},
    "Scan": READ | {"TableName", "IndexName", "Select", "Limit", "ExclusiveStartKey"},
    "BatchGetItem": frozenset(("RequestItems",)),
    "BatchWriteItem": frozenset(("RequestItems",)),
    "TransactWriteItems": frozenset(("TransactItems", "ClientRequestToken")),
    "ExecuteStatement": frozenset(("Statement", "Parameters", "ConsistentRead", "ReturnValuesOnConditionCheckFailure")),
    "BatchExecuteStatement": frozenset(("Statements",)),
}
"""What each operation is known to take, beside ReturnConsumedCapacity."""
RETURNED: Mapping[str, frozenset[str]] = {
    "PutItem": frozenset(("NONE", "ALL_OLD")),
    "UpdateItem": frozenset(("NONE", "ALL_OLD", "ALL_NEW")),
    "DeleteItem": frozenset(("NONE", "ALL_OLD")),
}


class Dynamo:
    """The tables of one account. `now` serves the idempotency of transactions, which lasts ten minutes."""

    def __init__(self, tables: Iterable[TableSchema], now: Millis) -> None:
        self.tables = {schema.name: StoredTable(schema) for schema in tables}
        self._now = now
        self._tokens: dict[str, tuple[int, object, Answer]] = {}
        self._operations: Mapping[str, Callable[[Request], Answer]] = {
            "GetItem": self._read(reads.get),
            "Query": self._read(reads.query),
            "Scan": self._read(reads.scan),
            "PutItem": self._write("PutItem", putting),
            "UpdateItem": self._write("UpdateItem", updating),
            "DeleteItem": self._write("DeleteItem", deleting),
            "BatchGetItem": self._batch_get,
            "BatchWriteItem": self._batch_write,
            "TransactWriteItems": self._transact,
            "ExecuteStatement": self._execute,
            "BatchExecuteStatement": self._batch_execute,
        }

    def dispatch(self, operation: str, kwargs: Request) -> Answer:
        """One call, as DynamoDB's API takes it. Raises AwsError."""
        known = KNOWN.get(operation)
        if known is None:
            raise AwsError("UnknownOperationException", f"{operation} is not played here")
        unknown = kwargs.keys() - known - {"ReturnConsumedCapacity"}
        if unknown:
            raise invalid(f"{operation}: not played here: {sorted(unknown)}")
        try:
            return self._operations[operation](kwargs)
        except KeyError as missing:
            raise invalid(f"{operation}: {missing} is missing") from missing

    def _table(self, name: str) -> StoredTable:
        table = self.tables.get(name)
        if table is None:
            raise AwsError("ResourceNotFoundException", "Requested resource not found")
        return table

    def _read(self, read: Callable[[StoredTable, Request], tuple[Answer, Bill]]) -> Callable[[Request], Answer]:
        def operation(request: Request) -> Answer:
            name = request["TableName"]
            answer, bill = read(self._table(name), request)
            return _with_bill(answer, request, name, bill)

        return operation

    def _write(self, name: str, decide: Callable[[StoredTable, Request], Change]) -> Callable[[Request], Answer]:
        def operation(request: Request) -> Answer:
            returned = request.get("ReturnValues", "NONE")
            if returned not in RETURNED[name]:
                raise invalid(f"{name}: ReturnValues {returned} is not played here")
            change = decide(self._table(request["TableName"]), request)
            bill = Bill()
            bill.add(change.table.replace(change.key, change.new))
            row = {"ALL_OLD": change.old, "ALL_NEW": change.new}.get(returned)
            return _with_bill({"Attributes": row.item} if row else {}, request, request["TableName"], bill)

        return operation

    def _batch_get(self, request: Request) -> Answer:
        asked = request["RequestItems"]
        if not 1 <= sum(len(one["Keys"]) for one in asked.values()) <= MOST_GETS:
            raise invalid(f"Too many items requested for the BatchGetItem call: 1 to {MOST_GETS}")
        read = {name: reads.batch_get(self._table(name), one) for name, one in asked.items()}
        answer = {"Responses": {name: items for name, (items, _) in read.items()}, "UnprocessedKeys": {}}
        return _with_bills(answer, request, {name: bill for name, (_, bill) in read.items()})

    def _batch_write(self, request: Request) -> Answer:
        asked = [(name, one) for name, some in request["RequestItems"].items() for one in some]
        if not 1 <= len(asked) <= MOST_WRITES:
            raise invalid(f"Too many items requested for the BatchWriteItem call: 1 to {MOST_WRITES}")
        changes = [self._batch_change(name, one) for name, one in asked]
        if len({_target(change) for change in changes}) < len(changes):
            raise invalid("Provided list of item keys contains duplicates")
        return _with_bills({"UnprocessedItems": {}}, request, _done(changes, factor=1))

    def _batch_change(self, name: str, request: Request) -> Change:
        match request:
            case {"PutRequest": asked}:
                return putting(self._table(name), asked)
            case {"DeleteRequest": asked}:
                return deleting(self._table(name), asked)
        raise invalid("Supplied write request is neither a put nor a delete")

    def _transact(self, request: Request) -> Answer:
        token, asked = request.get("ClientRequestToken"), request["TransactItems"]
        known = self._known(token)
        if known:
            if known[1] != asked:
                raise AwsError("IdempotentParameterMismatchException", "the token was used for another request")
            return known[2]
        answer = self._transacted(request)
        if token:
            self._tokens[token] = (self._now(), asked, answer)
        return answer

    def _known(self, token: str | None) -> tuple[int, object, Answer] | None:
        """The answer that a token has had, forgetting those that are older than ten minutes."""
        horizon = self._now() - TOKEN_MILLIS
        for old in [name for name, (since, _, _) in self._tokens.items() if since < horizon]:
            del self._tokens[old]
        return self._tokens.get(token) if token else None

    def _transacted(self, request: Request) -> Answer:
        asked = request["TransactItems"]
        if not 1 <= len(asked) <= MOST_ACTIONS:
            raise invalid(f"a transaction has 1 to {MOST_ACTIONS} actions")
        decided = [self._decided(action) for action in asked]
        changes = [one for one in decided if isinstance(one, Change)]
        if len(changes) < len(decided):
            raise _cancelled(decided)
        if len({_target(change) for change in changes}) < len(changes):
            raise invalid("Transaction request cannot include multiple operations on one item")
        return _with_bills({}, request, _done(changes, factor=TRANSACTION))

    def _decided(self, action: Mapping[str, Request]) -> Change | AwsError:
        [(kind, asked)] = action.items()
        if kind not in DECIDED:
            raise invalid(f"a transaction's {kind} is not played here")
        try:
            return DECIDED[kind](self._table(asked["TableName"]), asked)
        except AwsError as error:
            if error.code != "ConditionalCheckFailedException":
                raise
            return error

    def _execute(self, request: Request) -> Answer:
        name, answer, bill = statements.execute(self.tables, request)
        return _with_bill(answer, request, name, bill)

    def _batch_execute(self, request: Request) -> Answer:
        answer, bills = statements.batch(self.tables, request)
        return _with_bills(answer, request, bills)


def _target(change: Change) -> tuple[Any, ...]:
    return change.table.schema.name, change.key


def _done(changes: Iterable[Change], *, factor: int) -> dict[str, Bill]:
    bills: dict[str, Bill] = {}
    for change in changes:
        bill = bills.setdefault(change.table.schema.name, Bill())
        bill.add(change.table.replace(change.key, change.new), factor=factor)
    return bills


def _cancelled(decided: Iterable[Change | AwsError]) -> AwsError:
    reasons = [
        {"Code": "ConditionalCheckFailed", "Message": one.message} | one.details
        if isinstance(one, AwsError)
        else {"Code": "None"}
        for one in decided
    ]
    codes = ", ".join(reason["Code"] for reason in reasons)
    message = f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
    return AwsError("TransactionCanceledException", message, CancellationReasons=reasons)


def _with_bill(answer: Answer, request: Request, name: str, bill: Bill) -> Answer:
    mode = request.get("ReturnConsumedCapacity", "NONE")
    if mode != "NONE":
        answer["ConsumedCapacity"] = bill.report(name, mode)
    return answer


def _with_bills(answer: Answer, request: Request, bills: Mapping[str, Bill]) -> Answer:
    mode = request.get("ReturnConsumedCapacity", "NONE")
    if mode != "NONE" and bills:
        answer["ConsumedCapacity"] = [bill.report(name, mode) for name, bill in bills.items()]
    return answer
