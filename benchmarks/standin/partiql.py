"""PartiQL, as far as statements on one item go: `SELECT`, `INSERT`, `UPDATE` and `DELETE`.

SELECT * FROM "t" WHERE pk=? AND sk=?                             INSERT INTO "t" VALUE {'pk': ?, 'sk': ?, 'a': 1}
UPDATE "t" SET a=? SET b.c=? REMOVE d WHERE pk=? AND sk=? AND e=? RETURNING ALL NEW *
DELETE FROM "t" WHERE pk=? AND sk=? RETURNING ALL OLD *
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from benchmarks.standin.errors import invalid
from benchmarks.standin.expressions import checked_update
from benchmarks.standin.grammar import Grammar
from benchmarks.standin.nodes import Attribute, Condition, Equal, Every, Given, Literal, Operand, Path, Sum, Update

if TYPE_CHECKING:
    from collections.abc import Callable

TOKEN = re.compile(
    r"\s*(?:(?P<word>[A-Za-z_]\w*)|\"(?P<quoted>[^\"]+)\"|'(?P<string>(?:[^']|'')*)'|(?P<number>\d+(?:\.\d+)?)"
    r"|(?P<sign><>|<=|>=|[=<>()+\-,.\[\]{}:*?]))",
    re.ASCII,
)
ALL_NEW, ALL_OLD = "ALL_NEW", "ALL_OLD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """The item a statement is about, and what else must hold on it."""

    hash: Operand
    range: Operand
    condition: Condition | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Select:
    """Reads one item. No `names`: all of it."""

    table: str
    where: Condition
    names: tuple[str, ...]
    parameters: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Insert:
    """Writes an item where none is."""

    table: str
    members: tuple[tuple[str, Operand], ...]
    parameters: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Changes an item that is there. `returning`: ALL_NEW, ALL_OLD or nothing."""

    table: str
    update: Update
    where: Condition
    returning: str
    parameters: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    """Deletes one item. `returning`: ALL_OLD or nothing."""

    table: str
    where: Condition
    returning: str
    parameters: int = 0


Statement = Select | Insert | Change | Delete


@lru_cache(maxsize=4096)
def parsed(text: str) -> Statement:
    """The statement in a text."""
    return Text(text).statement()


@lru_cache(maxsize=4096)
def located(text: str, hash_name: str, range_name: str) -> Where | None:
    """Which item the WHERE of a statement is about: an equality on each of the keys, and the rest. None: an INSERT."""
    statement = parsed(text)
    return None if isinstance(statement, Insert) else _where(statement.where, hash_name, range_name)


def _where(where: Condition, hash_name: str, range_name: str) -> Where:
    tests = where.tests if isinstance(where, Every) else (where,)
    keys: dict[Path, Operand] = {}
    rest: list[Condition] = []
    for test in tests:
        match test:
            case Equal(left=Attribute(path=path), right=right) if path in ((hash_name,), (range_name,)):
                keys[path] = right
            case _:
                rest.append(test)
    if len(keys) < len((hash_name, range_name)):
        raise invalid("Where clause does not contain a mandatory equality on all key attributes")
    return Where(hash=keys[hash_name,], range=keys[range_name,], condition=Every(tuple(rest)) if rest else None)


class Text(Grammar):
    """One statement."""

    def __init__(self, text: str) -> None:
        super().__init__(text, TOKEN)
        self._parameters = 0

    def statement(self) -> Statement:
        """By its first word."""
        readers: dict[str, Callable[[], Statement]] = {
            "SELECT": self._select,
            "INSERT": self._insert,
            "UPDATE": self._change,
            "DELETE": self._delete,
        }
        for word, read in readers.items():
            if self.accept(word):
                statement = read()
                self.end()
                return statement
        raise self.wrong()

    def name(self) -> str:
        """Bare, or in double quotes."""
        return self.take("quoted") if self.peek()[0] == "quoted" else self.plain_name()

    def operand(self) -> Operand:
        """A parameter, a literal or a path."""
        if self.accept("?"):
            self._parameters += 1
            return Given(self._parameters - 1)
        kind, text = self.peek()
        match kind:
            case "string":
                return Literal("S", self.take("string").replace("''", "'"))
            case "number":
                return Literal("N", self.take("number"))
            case "word" if text.upper() in ("TRUE", "FALSE"):
                return Literal("BOOL", self.take("word").upper() == "TRUE")
        return Attribute(self.path())

    def _select(self) -> Statement:
        names: list[str] = []
        if not self.accept("*"):
            names.append(self.name())
            while self.accept(","):
                names.append(self.name())
        self.expect("FROM")
        table, where = self.name(), self._where()
        return Select(table=table, where=where, names=tuple(names), parameters=self._parameters)

    def _insert(self) -> Statement:
        self.expect("INTO")
        table = self.name()
        self.expect("VALUE")
        self.expect("{")
        members = [self._member()]
        while self.accept(","):
            members.append(self._member())
        self.expect("}")
        return Insert(table=table, members=tuple(members), parameters=self._parameters)

    def _member(self) -> tuple[str, Operand]:
        name = self.take("string")
        self.expect(":")
        return name, self.operand()

    def _change(self) -> Statement:
        table = self.name()
        sets: list[tuple[Path, Operand]] = []
        removes: list[Path] = []
        while True:
            if self.accept("SET"):
                sets.append(self._assignment())
            elif self.accept("REMOVE"):
                removes.append(self.path())
            else:
                break
        update, where = checked_update(Update(tuple(sets), tuple(removes))), self._where()
        returning = self._returning(ALL_OLD, ALL_NEW)
        return Change(table=table, update=update, where=where, returning=returning, parameters=self._parameters)

    def _assignment(self) -> tuple[Path, Operand]:
        path = self.path()
        self.expect("=")
        left = self.operand()
        for sign, factor in (("+", 1), ("-", -1)):
            if self.accept(sign):
                return path, Sum(factor, left, self.operand())
        return path, left

    def _delete(self) -> Statement:
        self.expect("FROM")
        table, where = self.name(), self._where()
        return Delete(table=table, where=where, returning=self._returning(ALL_OLD), parameters=self._parameters)

    def _where(self) -> Condition:
        self.expect("WHERE")
        return self.condition()

    def _returning(self, *allowed: str) -> str:
        if not self.accept("RETURNING"):
            return ""
        asked = f"{self.take('word')}_{self.take('word')}".upper()
        self.expect("*")
        if asked not in allowed:
            raise invalid(f"Invalid returning clause: RETURNING {asked} *")
        return asked
