"""Batches that are done in part: what AWS leaves out of one, and how its answer says so.

`unlucky` decides about one part of a request by its content, so that nothing hangs on the order of the parts.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Request = Mapping[str, Any]
Answer = dict[str, Any]
Unlucky = Callable[[str], bool]
Do = Callable[[Request], Answer]


def done_partly(operation: str, request: Request, *, unlucky: Unlucky, do: Do) -> Answer:
    """The answer to a call of which AWS does only some."""
    match operation:
        case "BatchGetItem":
            return _read(request, unlucky, do)
        case "BatchWriteItem":
            return _written(request, unlucky, do)
        case "BatchExecuteStatement":
            return _executed(request, unlucky, do)
        case "SendMessageBatch":
            return _sent(request, unlucky, do)
    return do(request)


def _read(request: Request, unlucky: Unlucky, do: Do) -> Answer:
    [(table, asked)] = request["RequestItems"].items()
    done, left = _apart(asked["Keys"], unlucky)
    answer: Answer = {"Responses": {table: []}}
    if done:
        answer = do({**request, "RequestItems": {table: {**asked, "Keys": done}}})
    return {**answer, "UnprocessedKeys": {table: {**asked, "Keys": left}} if left else {}}


def _written(request: Request, unlucky: Unlucky, do: Do) -> Answer:
    [(table, asked)] = request["RequestItems"].items()
    done, left = _apart(asked, unlucky)
    answer: Answer = do({**request, "RequestItems": {table: done}}) if done else {}
    return {**answer, "UnprocessedItems": {table: left} if left else {}}


def _executed(request: Request, unlucky: Unlucky, do: Do) -> Answer:
    """Of the statements that get an error, every other one was done all the same: that is what nobody can tell."""
    asked = request["Statements"]
    failed = [number for number, one in enumerate(asked) if unlucky(_said(one))]
    without_effect = set(failed[::2])
    tried = [number for number in range(len(asked)) if number not in without_effect]
    answer: Answer = do({**request, "Statements": [asked[number] for number in tried]}) if tried else {"Responses": []}
    responses = dict(zip(tried, answer["Responses"], strict=True))
    error = {"Error": {"Code": "ThrottlingError", "Message": "simulated"}}
    said = [error if number in failed else responses[number] for number in range(len(asked))]
    return {**answer, "Responses": said}


def _sent(request: Request, unlucky: Unlucky, do: Do) -> Answer:
    done, left = _apart(request["Entries"], unlucky)
    answer: Answer = do({**request, "Entries": done}) if done else {"Successful": []}
    failed = [{"Id": entry["Id"], "Code": "InternalError", "SenderFault": False} for entry in left]
    return {**answer, "Failed": [*answer.get("Failed", []), *failed]}


def _apart(parts: Sequence[Any], unlucky: Unlucky) -> tuple[list[Any], list[Any]]:
    """Those that are done, and those that are not, each in their order."""
    named = {_said(part): part for part in parts}
    left = {name for name in sorted(named) if unlucky(name)}
    done = [part for name, part in named.items() if name not in left]
    return done, [part for name, part in named.items() if name in left]


def _said(part: Any) -> str:
    return json.dumps(part, sort_keys=True, default=repr)
