"""What the spellings of cron share: a field with its range and names, an element of a list, and the words of refusal.

A spelling decides which elements it takes and what they mean; here they are only read. Everything that is refused is
Invalid("cron") and says which field is wrong and why.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from chalicelib.scheduling.errors import Invalid

LONGEST = 255  # characters
BLANKS = re.compile(r"[ \t]+")
ITEM = re.compile(r"(?P<star>\*)?(?P<low>\w+)?(?:-(?P<high>\w+))?(?:/(?P<step>\w+))?", re.ASCII)
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
CHANCE = (
    re.compile(r"[hr](\(.*\))?(/.*)?", re.IGNORECASE),
    "has an H or R: times chosen by hash or chance are refused",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field: its name in messages, its range, and what its names stand for.

    `marks` are other things it takes, `note` says more about a number out of range, and `foreign` are what other
    spellings write there: a shape and why it is refused.
    """

    name: str
    low: int
    high: int
    names: Mapping[str, int] = field(default_factory=dict)
    marks: str = ""
    note: str = ""
    foreign: tuple[tuple[re.Pattern[str], str], ...] = (CHANCE,)

    def number(self, text: str) -> int:
        """A number or a name of this field, in range."""
        number = self.names.get(text.lower())
        if number is not None:
            return number
        if not text.isdigit():
            raise self.unreadable(text)
        number = int(text)
        if not self.low <= number <= self.high:
            raise Invalid(
                "cron", f"has the {self.name} {text}, which is not between {self.low} and {self.high}{self.note}"
            )
        return number

    def unreadable(self, item: str) -> Invalid:
        """Why an element is refused: known from another spelling, or simply wrong."""
        for shape, text in self.foreign:
            if shape.fullmatch(item):
                return Invalid("cron", f"{text} ({self.name} {item!r})")
        if not item:
            return Invalid("cron", f"has an empty element in its {self.name}")
        named = f" or {next(iter(self.names))}..{list(self.names)[-1]}" if self.names else ""
        wanted = f"{self.low}..{self.high}{named}{self.marks}, *, a range or a step"
        return Invalid("cron", f"has the {self.name} {item!r}, which is not {wanted}")


class Item(NamedTuple):
    """An element of a list as it was read: `*` is the whole range; no `high` and no `step` where none was written."""

    text: str
    kind: Field
    low: int
    high: int | None
    step: int | None

    def rising(self, high: int) -> range:
        """From low to `high` by the step; a step that leads out of it at once would not do what it says."""
        if self.low > high:
            raise Invalid("cron", f"has the {self.kind.name} range {self.text!r}, which runs backwards{self._sunday}")
        most = max(high - self.low, 1)
        if self.step is not None and self.step > most:
            raise self.refused(f"its step is too large, {most} is the most")
        return range(self.low, high + 1, self.step or 1)

    def refused(self, why: str) -> Invalid:
        """The refusal of an element that could be read."""
        return Invalid("cron", f"has the {self.kind.name} {self.text!r}: {why}")

    @property
    def _sunday(self) -> str:
        """What to write instead, where the week's last day has two numbers."""
        return "; Sunday at the end of a range is 7" if self.kind.names.get("sun") == self.high == 0 else ""


def read(text: str, kind: Field) -> Item:
    """One element of a list: `*`, a value or a range, with or without a step."""
    parts = ITEM.fullmatch(text)
    if not text or parts is None or bool(parts["star"]) == bool(parts["low"]) or (parts["star"] and parts["high"]):
        raise kind.unreadable(text)
    low = kind.low if parts["star"] else kind.number(parts["low"])
    high = kind.number(parts["high"]) if parts["high"] else kind.high if parts["star"] else None
    item = Item(text, kind, low=low, high=high, step=None)
    if parts["step"] is None:
        return item
    step = int(parts["step"]) if parts["step"].isdigit() else 0
    if step < 1:
        raise item.refused("a step is a whole number from 1")
    return item._replace(step=step)


def values(text: str, kind: Field, *, of: Callable[[Item], Iterable[int]]) -> tuple[int, ...]:
    """All values of a field, rising; `of` says what an element stands for in this spelling."""
    return tuple(sorted({number for item in text.split(",") for number in of(read(item, kind))}))


def endless(text: str) -> bool:
    """Whether a field goes on until its range ends: `*`, `*/n`, `a/n`. Such a field of the clock follows real time."""
    return any(item[:1] == "*" or ("/" in item and "-" not in item) for item in text.split(","))


def split(expression: str, *, example: str) -> list[str]:
    """The fields of an expression; refuses what is none as a whole."""
    if len(expression) > LONGEST:
        raise Invalid("cron", f"is longer than {LONGEST} characters")
    if not expression.isascii():
        raise Invalid("cron", "has characters that are not ASCII")
    texts = BLANKS.split(expression.strip(" \t"))
    if texts == [""]:
        raise Invalid("cron", "is empty")
    if texts[0].startswith("@"):
        raise Invalid("cron", f"is the macro {texts[0]!r}: write out the {example}")
    return texts
