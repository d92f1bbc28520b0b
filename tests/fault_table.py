"""The rows of the project's list of faults, and the tests that hold them, whose names say it: `test_t18_...`.

    python -m tests.fault_table

writes the table in SECURITY.md anew. tests/test_fault_table.py fails where it is not what this would write.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

TESTS = Path(__file__).parent
DOCUMENT = TESTS.parent / "SECURITY.md"
BEGINS, ENDS = "<!-- faults: written by python -m tests.fault_table -->\n", "<!-- end of faults -->"
NUMBER = re.compile(r"(?<=_)t([0-9]{2})(?=_|$)")

ROWS: Mapping[int, str] = {
    1: "golden signatures of every protocol",
    2: "every changed bit of a signed request is refused",
    3: "RunLater's signed GET used for another method",
    4: "RunLater's request sent twice",
    5: "the clock skew that Cronally allows, and dates that are none",
    6: "signature headers that are malformed, doubled, huge or not ASCII",
    7: "unknown key, wrong secret and removed key are answered alike, for the same work",
    8: "credentials of HTTP Basic in every spelling",
    9: "rotating a secret, with an overlap and without",
    10: "what a webhook is signed with, and over which bytes",
    11: "guessing passwords, and passwords of any kind",
    12: "a console: forged requests, cookies, scripts",
    13: "another's thing is answered like one that is not there, on every route",
    14: "nothing of another's in lists, logs and histories",
    15: "what a key may do and what asks for the password",
    16: "ids and page tokens that nobody can guess or use elsewhere",
    17: "fields that are not the caller's to set",
    18: "private and special addresses in every spelling, at create and at send",
    19: "names that resolve badly, partly, late or not at all",
    20: "names that change their mind between check and use",
    21: "TLS to a pinned address keeps name, SNI and Host",
    22: "redirects",
    23: "URLs that two parsers read differently, and other schemes",
    24: "closed ports, our own API, proxies of the environment",
    25: "topics of other regions and accounts, and keys that are missing",
    26: "hostile XML",
    27: "the same document as JSON, XML and form",
    28: "hostile JSON",
    29: "hostile forms",
    30: "path parameters, decoded once",
    31: "headers and methods that would add a second request",
    32: "times in every form",
    33: "intervals in every form",
    34: "limits, and one more than each",
    35: "Accept in every form",
    36: "quotas, and one tenant's flood beside another's job",
    37: "no secret in tables, messages, logs, metrics, refusals or histories",
    38: "ciphertexts that were moved or changed",
    39: "the key service away or without time",
    40: "key rotation, and the end of an account's data key",
    41: "log lines that would be two, or none",
    42: "values that hold secrets do not print them, and no cache keeps them",
    43: "ticks that are doubled, parallel or out of order",
    44: "messages that are doubled",
    45: "a crash at every step",
    46: "a lost reply to every write",
    47: "throttling of every call",
    48: "batches of which some messages fail",
    49: "poison messages and dead letters",
    50: "slow workers beside their message's redelivery",
    51: "retries and callbacks",
    52: "a backlog after an outage",
    53: "jobs that fire for the last time",
    54: "receivers that hang, drip, flood or talk nonsense",
    55: "certificates and handshakes that do not hold",
    56: "one healthy receiver among nine that hang",
    57: "cron in time zones",
    58: "clocks that disagree or jump",
    59: "delete, pause and edit at any moment of a firing",
    60: "each service behind the API away or slow",
}
NOT_APPLICABLE: Mapping[int, str] = {
    12: "there is no console: no cookies, no sessions, no HTML. OPTIONS resumes only with a proof",
}

Places = Mapping[int, tuple[str, ...]]


def held(tests: Path = TESTS) -> Places:
    """Where each row is held: `file::prefix of the names`, in order."""
    found: dict[int, set[str]] = {row: set() for row in ROWS}
    for path in sorted(tests.rglob("test_*.py")):
        for name in names_in(path):
            for match in NUMBER.finditer(name):
                found.setdefault(int(match[1]), set()).add(f"{path.relative_to(tests)}::{name[: match.end()]}")
    return {row: tuple(sorted(places)) for row, places in found.items()}


def names_in(path: Path) -> Iterator[str]:
    """The tests in a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node.name


def table(places: Places) -> str:
    """All rows in Markdown."""
    head = "| row | what happens | tests, below `tests/` |\n|---|---|---|\n"
    return head + "".join(f"| T{row:02} | {what} | {_by(row, places.get(row, ()))} |\n" for row, what in ROWS.items())


def written(document: str, places: Places) -> str:
    """The document with its table as it should be."""
    before, _, rest = document.partition(BEGINS)
    _, _, after = rest.partition(ENDS)
    return f"{before}{BEGINS}\n{table(places)}\n{ENDS}{after}"


def _by(row: int, places: tuple[str, ...]) -> str:
    reason = [f"not applicable: {NOT_APPLICABLE[row]}"] if row in NOT_APPLICABLE else []
    return ", ".join([*reason, *(f"`{place}`" for place in places)]) or "**nothing yet**"


if __name__ == "__main__":
    DOCUMENT.write_text(written(DOCUMENT.read_text(), held()))
