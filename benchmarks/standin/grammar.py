"""What DynamoDB's two languages have in common: tokens read from left to right, paths, and conditions.

    any    = every { OR every }            test  = NOT test | ( any ) | function | operand comparison
    every  = test { AND test }             comparison = (= <> < <= > >=) operand | BETWEEN operand AND operand

What is not in it is refused. So are bare reserved words: DynamoDB has some 570, here stand those that are attributes of
ours.
"""

import re
from abc import ABC, abstractmethod

from benchmarks.standin.errors import AwsError, invalid
from benchmarks.standin.nodes import (
    Attribute,
    BeginsWith,
    Between,
    Condition,
    Contains,
    Equal,
    Every,
    Exists,
    Not,
    Operand,
    Ordered,
    Path,
    Some,
)

# fmt: off
RESERVED = frozenset((
    "all", "at", "class", "definition", "expression", "hash", "key", "keys", "method", "name", "region",
    "shard", "start", "state", "status", "url", "user", "zone",
))
# fmt: on
WORDS = frozenset(("AND", "OR", "NOT", "BETWEEN", "IN", "SET", "REMOVE", "ADD", "DELETE", "WHERE", "RETURNING"))
ORDERS = ("<", "<=", ">", ">=")


class Grammar(ABC):
    """A text under the reader's finger. A dialect says what its names and operands look like."""

    def __init__(self, text: str, token: re.Pattern[str]) -> None:
        self._text, self._at = text, 0
        self._tokens = [(match.lastgroup or "", match.group(match.lastgroup or 0)) for match in _matches(token, text)]

    @abstractmethod
    def name(self) -> str:
        """One name of a path."""

    @abstractmethod
    def operand(self) -> Operand:
        """A path, or a value."""

    def condition(self) -> Condition:
        """Alternatives of conjunctions."""
        tests = [self._every()]
        while self.accept("OR"):
            tests.append(self._every())
        return tests[0] if len(tests) == 1 else Some(tuple(tests))

    def path(self) -> Path:
        """`name.name[0]`."""
        steps: list[str | int] = [self.name()]
        while True:
            if self.accept("."):
                steps.append(self.name())
            elif self.accept("["):
                steps.append(int(self.take("number")))
                self.expect("]")
            else:
                return tuple(steps)

    def end(self) -> None:
        """Nothing may follow."""
        if self._at < len(self._tokens):
            raise self.wrong()

    def peek(self) -> tuple[str, str]:
        """Kind and text of the next token; two empty strings at the end."""
        return self._tokens[self._at] if self._at < len(self._tokens) else ("", "")

    def accept(self, text: str) -> bool:
        """Takes a word, in any case of letters, or a sign, if it comes next."""
        kind, found = self.peek()
        if kind not in ("word", "sign") or found.upper() != text:
            return False
        self._at += 1
        return True

    def expect(self, text: str) -> None:
        """Takes a word or a sign that must come next."""
        if not self.accept(text):
            raise self.wrong()

    def take(self, kind: str) -> str:
        """The text of a token that must be of a kind."""
        found, text = self.peek()
        if found != kind:
            raise self.wrong()
        self._at += 1
        return text

    def plain_name(self) -> str:
        """A bare word that is a name."""
        word = self.take("word")
        if word.lower() in RESERVED:
            raise invalid(f"Attribute name is a reserved keyword; reserved keyword: {word}")
        if word.upper() in WORDS:
            raise self.wrong()
        return word

    def wrong(self) -> AwsError:
        """The error for what comes next."""
        return invalid(f'Invalid expression: Syntax error; token: "{self.peek()[1] or "<EOF>"}", in: {self._text}')

    def _every(self) -> Condition:
        tests = [self._test()]
        while self.accept("AND"):
            tests.append(self._test())
        return tests[0] if len(tests) == 1 else Every(tuple(flat for test in tests for flat in _conjuncts(test)))

    def _test(self) -> Condition:
        if self.accept("NOT"):
            return Not(self._test())
        if self.accept("("):
            test = self.condition()
            self.expect(")")
            return test
        return self._function() or self._comparison()

    def _function(self) -> Condition | None:
        kind, name = self.peek()
        following = self._tokens[self._at + 1 : self._at + 2]
        if kind != "word" or following != [("sign", "(")]:
            return None
        self._at += 2
        attribute = Attribute(self.path())
        test: Condition
        match name:
            case "attribute_exists":
                test = Exists(attribute)
            case "attribute_not_exists":
                test = Not(Exists(attribute))
            case "begins_with":
                test = BeginsWith(attribute, self._second())
            case "contains":
                test = Contains(attribute, self._second())
            case _:
                raise invalid(f"Invalid function name; function: {name}")
        self.expect(")")
        return test

    def _second(self) -> Operand:
        self.expect(",")
        return self.operand()

    def _comparison(self) -> Condition:
        left = self.operand()
        if self.accept("BETWEEN"):
            low = self.operand()
            self.expect("AND")
            return Between(left, low, self.operand())
        if self.accept("="):
            return Equal(left, self.operand())
        if self.accept("<>"):
            return Not(Equal(left, self.operand()))
        for symbol in ORDERS:
            if self.accept(symbol):
                return Ordered(symbol, left, self.operand())
        raise self.wrong()


def _conjuncts(test: Condition) -> tuple[Condition, ...]:
    return test.tests if isinstance(test, Every) else (test,)


def _matches(token: re.Pattern[str], text: str) -> list[re.Match[str]]:
    found, at = [], 0
    end = len(text.rstrip())
    while at < end:
        match = token.match(text, at)
        if match is None:
            raise invalid(f"Invalid expression: Syntax error at {text[at:]!r}")
        found.append(match)
        at = match.end()
    return found
