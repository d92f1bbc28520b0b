"""What happened: executions and audit entries, as their account may read them."""

from collections.abc import Sequence
from datetime import datetime

from chalicelib.ports import FiringRef, Services
from chalicelib.scheduling.account import Principal
from chalicelib.scheduling.audit import AuditEntry
from chalicelib.scheduling.errors import NotFound
from chalicelib.scheduling.execution import Execution


def executions_between(
    services: Services, principal: Principal, start: datetime, end: datetime, *, dialect: str
) -> Sequence[Execution]:
    """Of the account's jobs made through one API: due in [start, end], by due time."""
    found = services.executions.between(principal.account_id, start, end)
    return [execution for execution in found if execution.dialect == dialect]


def get_execution(services: Services, principal: Principal, execution_id: str, *, dialect: str) -> Execution:
    """By id. Raises NotFound, whoever else has it."""
    if len(execution_id) == ID_LENGTH and set(execution_id) <= HEX:
        found = services.executions.get(FiringRef(account_id=principal.account_id, firing_id=execution_id))
        if found and found.dialect == dialect:
            return found
    raise NotFound("Execution", execution_id)


def audit_between(services: Services, principal: Principal, start: datetime, end: datetime) -> Sequence[AuditEntry]:
    """The account's audit entries created in [start, end], the oldest first."""
    return services.audit.between(principal.account_id, start, end)


ID_LENGTH = 32
HEX = frozenset("0123456789abcdef")
