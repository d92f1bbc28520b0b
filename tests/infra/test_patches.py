"""The pieces that stand between MiniStack and us, without it."""

from __future__ import annotations

import json
import threading
import time
import zipfile
from typing import TYPE_CHECKING

import pytest

from infra.local import patches
from infra.local.patches import PunctualEvent
from infra.local.unpacked import SharedZips

if TYPE_CHECKING:
    from pathlib import Path


def _waits(event: PunctualEvent, timeout: float) -> tuple[bool, float]:
    began = time.monotonic()
    return event.wait(timeout), time.monotonic() - began


def test_a_wait_ends_when_the_next_message_becomes_visible() -> None:
    soon = time.time() + 0.05
    woken, took = _waits(PunctualEvent(threading.Event(), lambda: [soon, soon + 9]), 5)
    assert not woken
    assert took < 0.5


def test_a_message_that_became_visible_since_the_last_look_ends_the_wait_at_once() -> None:
    event = PunctualEvent(threading.Event(), lambda: [visible])
    event.clear()
    visible = time.time() + 0.01
    time.sleep(0.02)
    _, took = _waits(event, 5)
    assert took < 0.5


def test_a_message_that_was_seen_and_left_does_not_keep_the_poller_spinning() -> None:
    long_visible = time.time() - 10
    event = PunctualEvent(threading.Event(), lambda: [long_visible])
    event.clear()
    _, took = _waits(event, 0.05)
    assert took >= 0.05


def test_setting_it_ends_the_wait() -> None:
    event = PunctualEvent(threading.Event(), list)
    event.set()
    assert _waits(event, 5)[0]


def test_a_zip_is_unpacked_once_and_linked_from_then_on(tmp_path: Path) -> None:
    zips = SharedZips(tmp_path / "code")
    with zipfile.ZipFile(tmp_path / "code.zip", "w") as packed:
        packed.writestr("app.py", "x = 1")
        packed.writestr("package/module.py", "y = 2")
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        with zips.ZipFile(tmp_path / "code.zip") as packed:
            packed.extractall(tmp_path / name)
    assert (tmp_path / "second/package/module.py").read_text() == "y = 2"
    real = {(tmp_path / name / "app.py").resolve() for name in ("first", "second")}
    assert len(real) == 1
    assert len(list((tmp_path / "code").iterdir())) == 1


def test_another_ministack_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patches, "MINISTACK_VERSION", "0.0.1")
    with pytest.raises(patches.WrongVersionError, match=r"needs 0\.0\.1"):
        patches.require_version()


def test_each_statement_of_a_batch_needs_the_action_of_its_verb() -> None:
    def table_arn(*place: str) -> str:
        return ":".join(place)

    module = {"dynamodb_transaction_checks": lambda *_: [("as", "before")], "_dynamodb_table_arn": table_arn}
    texts = ('UPDATE "t" SET "a"=1', 'select * from "u" WHERE', 'INSERT INTO "v" VALUE', 'DELETE FROM "w" WHERE')
    body = json.dumps({"Statements": [{"Statement": text} for text in texts]}).encode()
    checks = patches.by_statement(module)
    assert checks("dynamodb:TransactWriteItems", body, "region", "account") == [("as", "before")]
    assert checks("dynamodb:BatchExecuteStatement", body, "region", "account") == [
        ("dynamodb:PartiQLUpdate", "t:region:account"),
        ("dynamodb:PartiQLSelect", "u:region:account"),
        ("dynamodb:PartiQLInsert", "v:region:account"),
        ("dynamodb:PartiQLDelete", "w:region:account"),
    ]
