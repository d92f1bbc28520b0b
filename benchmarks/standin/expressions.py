"""DynamoDB's expressions: `KeyConditionExpression`, `ConditionExpression`, `UpdateExpression`, `ProjectionExpression`.

A text is parsed once for each set of names it comes with: our calls differ in their values alone.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from benchmarks.standin.errors import invalid
from benchmarks.standin.grammar import Grammar
from benchmarks.standin.nodes import (
    Attribute,
    BeginsWith,
    Between,
    Condition,
    Equal,
    Every,
    Given,
    IfNotExists,
    Operand,
    Ordered,
    Path,
    Sum,
    Update,
)
from benchmarks.standin.values import Value

TOKEN = re.compile(
    r"\s*(?:(?P<word>[A-Za-z_]\w*)|(?P<alias>\#\w+)|(?P<value>:\w+)|(?P<number>\d+)|(?P<sign><>|<=|>=|[=<>()+\-,.\[\]]))",
    re.ASCII,
)
Names = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """The expressions of one request. `places`: the values they use, all of which must be given, and no other."""

    condition: Condition | None = None
    update: Update | None = None
    projection: tuple[Path, ...] = ()
    places: frozenset[str] = field(default=frozenset())

    def checked(self, values: Mapping[str, Value]) -> Mapping[str, Value]:
        """The values, if they are those that are used."""
        if values.keys() != self.places:
            missing, unused = self.places - values.keys(), values.keys() - self.places
            raise invalid(f"Expression attribute values: not defined: {sorted(missing)}, unused: {sorted(unused)}")
        return values


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRange:
    """One hash key, and a range of its range keys; a bound that is None is open."""

    hash: Operand
    low: Operand | None = None
    high: Operand | None = None
    prefix: Operand | None = None
    low_included: bool = True
    high_included: bool = True


def program(request: Mapping[str, Any], condition: str = "ConditionExpression") -> Program:
    """What a request says in its expressions."""
    texts = (request.get(condition), request.get("UpdateExpression"), request.get("ProjectionExpression"))
    if texts == (None, None, None):
        return NO_PROGRAM
    return _program(*texts, tuple(request.get("ExpressionAttributeNames", {}).items()))


def key_range(test: Condition, hash_name: str, range_name: str) -> KeyRange:
    """A key condition as a range: an equality on the hash key, and at the most one test on the range key."""
    tests = list(test.tests) if isinstance(test, Every) else [test]
    hashes = [one for one in tests if isinstance(one, Equal) and one.left == Attribute((hash_name,))]
    others = [one for one in tests if one not in hashes]
    if len(hashes) != 1 or len(others) > 1:
        raise invalid("Query condition missed key schema element")
    return _range(hashes[0].right, others[0], Attribute((range_name,))) if others else KeyRange(hash=hashes[0].right)


def _range(hash_value: Operand, test: Condition, attribute: Attribute) -> KeyRange:
    match test:
        case Equal(left=left, right=right) if left == attribute:
            return KeyRange(hash=hash_value, low=right, high=right)
        case Between(operand=left, low=low, high=high) if left == attribute:
            return KeyRange(hash=hash_value, low=low, high=high)
        case BeginsWith(attribute=left, prefix=prefix) if left == attribute:
            return KeyRange(hash=hash_value, prefix=prefix)
        case Ordered(symbol=symbol, left=left, right=right) if left == attribute and ">" in symbol:
            return KeyRange(hash=hash_value, low=right, low_included=symbol == ">=")
        case Ordered(symbol=symbol, left=left, right=right) if left == attribute:
            return KeyRange(hash=hash_value, high=right, high_included=symbol == "<=")
    raise invalid("Query key condition not supported")


@lru_cache(maxsize=4096)
def _program(condition: str | None, update: str | None, projection: str | None, names: Names) -> Program:
    used: set[str] = set()
    texts = {kind: text for kind, text in zip("cup", (condition, update, projection), strict=True) if text is not None}
    readers = {kind: Expression(text, dict(names), used) for kind, text in texts.items()}
    read = Program(
        condition=readers["c"].whole_condition() if "c" in readers else None,
        update=readers["u"].update() if "u" in readers else None,
        projection=readers["p"].projection() if "p" in readers else (),
        places=frozenset(place for place in used if place.startswith(":")),
    )
    unused = dict(names).keys() - used
    if unused:
        raise invalid(f"Value provided in ExpressionAttributeNames unused in expressions: keys: {sorted(unused)}")
    return read


class Expression(Grammar):
    """One expression. `used` collects the placeholders that were met."""

    def __init__(self, text: str, names: Mapping[str, str], used: set[str]) -> None:
        super().__init__(text, TOKEN)
        self._names, self._used = names, used

    def whole_condition(self) -> Condition:
        """A condition and nothing else."""
        test = self.condition()
        self.end()
        return test

    def update(self) -> Update:
        """SET and REMOVE, each once."""
        sets: list[tuple[Path, Operand]] = []
        removes: list[Path] = []
        if self.accept("SET"):
            sets = [self._assignment()]
            while self.accept(","):
                sets.append(self._assignment())
        if self.accept("REMOVE"):
            removes = [self.path()]
            while self.accept(","):
                removes.append(self.path())
        self.end()
        return checked_update(Update(tuple(sets), tuple(removes)))

    def projection(self) -> tuple[Path, ...]:
        """Paths; what is projected here is a top-level attribute."""
        paths = [self.path()]
        while self.accept(","):
            paths.append(self.path())
        self.end()
        if any(len(path) > 1 for path in paths):
            raise invalid("a projection of a nested path is not played here")
        return tuple(paths)

    def name(self) -> str:
        """A bare name, or one behind `#`."""
        if self.peek()[0] != "alias":
            return self.plain_name()
        alias = self.take("alias")
        self._used.add(alias)
        if alias not in self._names:
            raise invalid(f"An expression attribute name used in expression is not defined; attribute name: {alias}")
        return self._names[alias]

    def operand(self) -> Operand:
        """A path or a placeholder."""
        if self.peek()[0] != "value":
            return Attribute(self.path())
        place = self.take("value")
        self._used.add(place)
        return Given(place)

    def _assignment(self) -> tuple[Path, Operand]:
        path = self.path()
        self.expect("=")
        left = self._term()
        for sign, factor in (("+", 1), ("-", -1)):
            if self.accept(sign):
                return path, Sum(factor, left, self._term())
        return path, left

    def _term(self) -> Operand:
        if not self.accept("IF_NOT_EXISTS"):
            return self.operand()
        self.expect("(")
        attribute = Attribute(self.path())
        self.expect(",")
        otherwise = self.operand()
        self.expect(")")
        return IfNotExists(attribute, otherwise)


def checked_update(update: Update) -> Update:
    """Refuses an update without a change, of list elements (not played here), or with paths that overlap."""
    paths = update.paths
    if not paths:
        raise invalid("Invalid UpdateExpression: The expression can not be empty;")
    if any(isinstance(step, int) for path in paths for step in path):
        raise invalid("an update of a list's element is not played here")
    for position, path in enumerate(paths):
        for other in paths[position + 1 :]:
            shorter = min(len(path), len(other))
            if path[:shorter] == other[:shorter]:
                raise invalid(f"Two document paths overlap with each other; paths: {path}, {other}")
    return update


NO_PROGRAM = Program()
