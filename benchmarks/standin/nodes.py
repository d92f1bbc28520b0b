"""What expressions are made of, once parsed: operands, conditions, updates. Pure, and the same for both languages.

A node knows its attribute names; the values of a request come in at evaluation, by placeholder (`:0`) or by position.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from benchmarks.standin.errors import invalid
from benchmarks.standin.values import Item, Value, number, ordered, same

Path = tuple[str | int, ...]
Values = Mapping[Any, Value] | Sequence[Value]
NOTHING: Item = {}


class Operand(Protocol):
    """Something with a value."""

    def value(self, item: Item, values: Values) -> Value | None:
        """None: there is nothing at that path."""


class Condition(Protocol):
    """Something that holds or does not."""

    def holds(self, item: Item, values: Values) -> bool:
        """On an item; where there is none, on the empty one."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """What stands at a path."""

    path: Path

    def value(self, item: Item, _values: Values) -> Value | None:
        """Follows maps and lists."""
        found = item.get(self.path[0])  # type: ignore[arg-type] # a path begins with a name
        for step in self.path[1:]:
            if found is None:
                return None
            if isinstance(step, str):
                found = found.get("M", NOTHING).get(step)
            else:
                inside = found.get("L", ())
                found = inside[step] if step < len(inside) else None
        return found


@dataclass(frozen=True, slots=True)
class Given:
    """A value of the request."""

    key: Any

    def value(self, _item: Item, values: Values) -> Value | None:
        """As it was sent."""
        return values[self.key]


@dataclass(frozen=True, slots=True)
class Literal:
    """A value in the text of a statement: its kind and its content."""

    kind: str
    content: Any

    def value(self, _item: Item, _values: Values) -> Value | None:
        """Always the same."""
        return {self.kind: self.content}


@dataclass(frozen=True, slots=True)
class IfNotExists:
    """`if_not_exists(path, operand)`."""

    attribute: Attribute
    otherwise: Operand

    def value(self, item: Item, values: Values) -> Value | None:
        """What stands there, else the other."""
        found = self.attribute.value(item, values)
        return self.otherwise.value(item, values) if found is None else found


@dataclass(frozen=True, slots=True)
class Sum:
    """`left + right`, `left - right`."""

    sign: int
    left: Operand
    right: Operand

    def value(self, item: Item, values: Values) -> Value | None:
        """Of two numbers."""
        terms = [operand.value(item, values) for operand in (self.left, self.right)]
        if None in terms:
            return None
        if any("N" not in term for term in terms if term):
            raise invalid("An operand in the update expression has an incorrect data type")
        one, other = (number(term["N"]) for term in terms if term)
        total = format(one + self.sign * other, "f")
        return {"N": total.rstrip("0").rstrip(".") if "." in total else total}


@dataclass(frozen=True, slots=True)
class Equal:
    """`left = right`."""

    left: Operand
    right: Operand

    def holds(self, item: Item, values: Values) -> bool:
        """Nothing equals nothing."""
        left, right = self.left.value(item, values), self.right.value(item, values)
        return left is not None and right is not None and same(left, right)


@dataclass(frozen=True, slots=True)
class Ordered:
    """`left < right` and its like."""

    symbol: str
    left: Operand
    right: Operand

    def holds(self, item: Item, values: Values) -> bool:
        """Of values of one type."""
        left, right = self.left.value(item, values), self.right.value(item, values)
        return left is not None and right is not None and ordered(self.symbol, left, right)


@dataclass(frozen=True, slots=True)
class Between:
    """`operand BETWEEN low AND high`, both included."""

    operand: Operand
    low: Operand
    high: Operand

    def holds(self, item: Item, values: Values) -> bool:
        """As two comparisons."""
        low, high = Ordered(">=", self.operand, self.low), Ordered("<=", self.operand, self.high)
        return low.holds(item, values) and high.holds(item, values)


@dataclass(frozen=True, slots=True)
class Exists:
    """`attribute_exists(path)`."""

    attribute: Attribute

    def holds(self, item: Item, values: Values) -> bool:
        """A null is there, too."""
        return self.attribute.value(item, values) is not None


@dataclass(frozen=True, slots=True)
class BeginsWith:
    """`begins_with(path, operand)`."""

    attribute: Attribute
    prefix: Operand

    def holds(self, item: Item, values: Values) -> bool:
        """Of strings and of bytes."""
        found, prefix = self.attribute.value(item, values) or {}, self.prefix.value(item, values) or {}
        return any(kind in found and kind in prefix and found[kind].startswith(prefix[kind]) for kind in "SB")


@dataclass(frozen=True, slots=True)
class Contains:
    """`contains(path, operand)`."""

    attribute: Attribute
    part: Operand

    def holds(self, item: Item, values: Values) -> bool:
        """A string in a string, a value in a list."""
        found, part = self.attribute.value(item, values) or {}, self.part.value(item, values) or {}
        return part in found.get("L", ()) or ("S" in found and "S" in part and part["S"] in found["S"])


@dataclass(frozen=True, slots=True)
class Every:
    """`test AND test`."""

    tests: tuple[Condition, ...]

    def holds(self, item: Item, values: Values) -> bool:
        """All of them."""
        return all(test.holds(item, values) for test in self.tests)


@dataclass(frozen=True, slots=True)
class Some:
    """`test OR test`."""

    tests: tuple[Condition, ...]

    def holds(self, item: Item, values: Values) -> bool:
        """One at least."""
        return any(test.holds(item, values) for test in self.tests)


@dataclass(frozen=True, slots=True)
class Not:
    """`NOT test`, and `<>`."""

    test: Condition

    def holds(self, item: Item, values: Values) -> bool:
        """The opposite: nothing is different from anything."""
        return not self.test.holds(item, values)


@dataclass(frozen=True, slots=True)
class Update:
    """SET and REMOVE. Operands read the item as it was; a change leaves the old item as it is."""

    sets: tuple[tuple[Path, Operand], ...]
    removes: tuple[Path, ...]

    def applied(self, item: Item, values: Values) -> Item:
        """The item afterwards."""
        changed = dict(item)
        for path, operand in self.sets:
            value = operand.value(item, values)
            if value is None:
                raise invalid("The provided expression refers to an attribute that does not exist in the item")
            name = str(path[0])
            changed[name] = _with(changed.get(name), path[1:], value)
        for path in self.removes:
            _drop(changed, path)
        return changed

    @property
    def paths(self) -> tuple[Path, ...]:
        """What is written."""
        return tuple(path for path, _ in self.sets) + self.removes


def _with(old: Value | None, rest: Path, value: Value) -> Value:
    if not rest:
        return value
    inner, step = _map(old), str(rest[0])
    return {"M": inner | {step: _with(inner.get(step), rest[1:], value)}}


def _drop(item: Item, path: Path) -> None:
    name = str(path[0])
    if len(path) == 1:
        item.pop(name, None)
    else:
        inner = dict(_map(item.get(name)))
        _drop(inner, path[1:])
        item[name] = {"M": inner}


def _map(value: Value | None) -> Item:
    if value is None or "M" not in value:
        raise invalid("The document path provided in the update expression is invalid for update")
    inner: Item = value["M"]
    return inner
