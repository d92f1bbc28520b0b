"""Audit entries in the jobs table, by account and time."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from chalicelib.scheduling.audit import AuditEntry
from chalicelib.scheduling.job import to_millis
from chalicelib.storage.records import audit_item, audit_of
from chalicelib.storage.tables import Table


class DynamoAudit:
    """The AuditLog on DynamoDB."""

    def __init__(self, table: Table, *, retention: timedelta) -> None:
        self._table, self._retention = table, retention

    def add(self, entry: AuditEntry) -> None:
        """One put; entries of one millisecond are told apart by eight random hex digits."""
        expires_at = entry.created_at + self._retention
        self._table.put(audit_item(entry, unique=secrets.token_hex(4), expires_at=expires_at))

    def between(self, account_id: str, start: datetime, end: datetime) -> Sequence[AuditEntry]:
        """Created in [start, end], the oldest first."""
        between = (f"{to_millis(start):013d}", f"{to_millis(end):013d}#~")
        pages = self._table.query(f"{account_id}#audit", between=between)
        return [audit_of(item) for page in pages for item in page]
