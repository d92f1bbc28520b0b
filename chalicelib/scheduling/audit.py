"""What somebody did to a job: one entry per change that was answered with success."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class AuditEvent(StrEnum):
    """The names are ndscheduler's. Source: seeds/004 "Audit Logs"."""

    ADDED = "added"
    MODIFIED = "modified"
    DELETED = "deleted"
    PAUSED = "paused"
    RESUMED = "resumed"
    CUSTOM_RUN = "custom_run"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """`user` is the API key that asked; `description` says what changed, without secrets."""

    account_id: str
    job_id: str
    job_name: str
    event: AuditEvent
    user: str
    description: str
    created_at: datetime
