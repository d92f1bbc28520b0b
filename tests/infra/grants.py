"""What the roles of a template allow, and where that is more or less than what is called.

Only what this reads may stand in a role: anything else - an effect, a wildcard, a condition, a managed policy - is
refused here, so that nothing is allowed unseen.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from tests.infra.calls import Call
from tests.infra.reading import Template, read

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

INDEX: Final = re.compile(r"\$\{(\w+)\.Arn\}(/index/[\w-]+)")

LOGS: Final = ("logs:CreateLogStream", "logs:PutLogEvents")
"""What Lambda does as the function to log. Source: AWS's managed policy AWSLambdaBasicExecutionRole, which also makes
the log group: the template makes it here."""
POLLS: Final = ("sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage")
"""What Lambda does as the function to a queue that feeds it. Source: AWSLambdaSQSQueueExecutionRole."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Permission:
    """One action on one resource; `keys` is a pattern for what `Call.key` holds."""

    action: str
    resource: str
    keys: str = "*"

    def __str__(self) -> str:
        where = f" where {self.keys}" if self.keys != "*" else ""
        return f"{self.action} on {self.resource}{where}"

    def covers(self, call: Call) -> bool:
        """Whether it allows the call."""
        same = (self.action, self.resource) == (call.action, call.resource)
        return same and fnmatchcase(call.key, self.keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Where a role and its function differ: calls that are not allowed, permissions that nothing needs."""

    lacking: tuple[Call, ...] = ()
    idle: tuple[Permission, ...] = ()


def compared(permissions: Collection[Permission], calls: Collection[Call]) -> Gap:
    """A permission is needed when there is a call that it alone allows."""
    covering = {call: [one for one in permissions if one.covers(call)] for call in calls}
    needed = {those[0] for those in covering.values() if len(those) == 1}
    return Gap(
        lacking=tuple(sorted(call for call, those in covering.items() if not those)),
        idle=tuple(sorted(one for one in permissions if one not in needed)),
    )


def roles_of(template: Template) -> Mapping[str, str]:
    """The role of each function."""
    functions = _of(template, "AWS::Serverless::Function")
    return {name: resource_of(function["Role"]) for name, function in functions.items()}


def permissions_of(template: Template, role: str) -> Sequence[Permission]:
    """All that a role allows on AWS, in the order written."""
    properties = read(template).value(template["Resources"][role]["Properties"])
    _known(properties, {"Description", "AssumeRolePolicyDocument", "Policies"})
    return [
        permission
        for policy in properties["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
        for permission in _allowed(statement)
    ]


def calls_by_lambda(template: Template, function: str) -> Iterator[Call]:
    """What Lambda does with the function's role: it logs, and it empties the queues that feed the function."""
    group = resource_of(template["Resources"][function]["Properties"]["LoggingConfig"]["LogGroup"])
    yield from (Call(action=action, resource=group) for action in LOGS)
    for mapping in _of(template, "AWS::Lambda::EventSourceMapping").values():
        if resource_of(mapping["FunctionName"]) == function:
            queue = resource_of(mapping["EventSourceArn"])
            yield from (Call(action=action, resource=queue) for action in POLLS)


def settings_of(template: Template) -> Mapping[str, str]:
    """The resources that the functions learn of, by the name of the setting."""
    variables = template["Globals"]["Function"]["Environment"]["Variables"]
    named = {setting: resource_of(value) for setting, value in variables.items()}
    return {setting: resource for setting, resource in named.items() if resource in template["Resources"]}


def resource_of(reference: object) -> str:
    """The resource that a reference means, by its name in the template; that of an index goes on with its path."""
    match reference:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), "Arn"]}:
            return name
        case {"Fn::Sub": str(text)} if found := INDEX.fullmatch(text):
            return "".join(found.groups())
    return f"not a resource: {reference}"


def _allowed(statement: Mapping[str, Any]) -> Iterator[Permission]:
    _known(statement, {"Sid", "Effect", "Action", "Resource", "Condition"})
    if statement["Effect"] != "Allow":
        raise ValueError(f"{statement['Sid']} has the effect {statement['Effect']}")
    for action in _listed(statement["Action"]):
        for resource in map(resource_of, _listed(statement["Resource"])):
            for keys in _keys(statement.get("Condition", {})):
                yield Permission(action=action, resource=resource, keys=keys)


def _keys(condition: Mapping[str, Any]) -> Sequence[str]:
    """The patterns of a condition; without one, everything."""
    match condition:
        case {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": patterns, **more}, **others} if not (more or others):
            return _listed(patterns)
        case {"ForAnyValue:StringEquals": {"kms:EncryptionContextKeys": name, **more}, **others} if not (
            more or others
        ):
            return _listed(name)
        case {
            "ForAllValues:StringEquals": {"dynamodb:Attributes": names, **more},
            "StringEquals": {"dynamodb:Select": "SPECIFIC_ATTRIBUTES", **still},
            **others,
        } if not (more or still or others):
            return [",".join(names)]
        case {**some} if not some:
            return ["*"]
    raise ValueError(f"a condition that is not read here: {condition}")


def _known(given: Mapping[str, Any], names: set[str]) -> None:
    if unread := given.keys() - names:
        raise ValueError(f"not read here: {sorted(unread)}")


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _of(template: Template, kind: str) -> dict[str, Any]:
    return read(template).all_of(kind)
