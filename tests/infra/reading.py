"""A template as CloudFormation reads it: parameters filled in, conditions decided, and what they leave out gone.

References between resources stay as they are; `named` says which resource one means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Template = dict[str, Any]
ABSENT: Final = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A template with values for all of its parameters."""

    template: Template
    parameters: Mapping[str, str]

    def all_of(self, kind: str) -> dict[str, Any]:
        """The properties of each resource of a type, by logical name. Fails when there is none: nothing to assert."""
        found = self.some_of(kind)
        assert found, f"no {kind}"
        return found

    def some_of(self, kind: str) -> dict[str, Any]:
        """As `all_of`, where there may be none."""
        return {name: each["Properties"] for name, each in self.resources().items() if each["Type"] == kind}

    def resources(self) -> dict[str, Any]:
        """What would be made."""
        there = {name: each for name, each in self.template["Resources"].items() if self._made(each)}
        return {name: self.value(each) for name, each in there.items()}

    def refusals(self) -> list[str]:
        """What the template's rules have against the parameters."""
        rules = [rule for rule in self.template["Rules"].values() if self.holds(rule.get("RuleCondition", True))]
        assertions = [one for rule in rules for one in rule["Assertions"]]
        return [one["AssertDescription"] for one in assertions if not self.holds(one["Assert"])]

    def value(self, node: Any) -> Any:
        """A part of the template with its parameters and conditions resolved."""
        match node:
            case {"Ref": "AWS::NoValue"}:
                return ABSENT
            case {"Ref": str(name)} if name in self.parameters:
                return self.parameters[name]
            case {"Fn::If": [condition, yes, no]}:
                return self.value(yes if self.holds({"Condition": condition}) else no)
            case {"Fn::FindInMap": [table, key, column]}:
                return self.template["Mappings"][table][self.value(key)][column]
            case dict():
                return {key: found for key, each in node.items() if (found := self.value(each)) is not ABSENT}
            case list():
                return [found for each in node if (found := self.value(each)) is not ABSENT]
            case _:
                return node

    def holds(self, test: Any) -> bool:
        """Whether a condition or an assertion is true."""
        match test:
            case bool():
                return test
            case {"Condition": name}:
                return self.holds(self.template["Conditions"][name])
            case {"Fn::Equals": [one, other]}:
                return str(self.value(one)) == str(self.value(other))
            case {"Fn::Contains": [values, one]}:
                return self.value(one) in values
            case {"Fn::Not": [one]}:
                return not self.holds(one)
            case {"Fn::And": tests}:
                return all(map(self.holds, tests))
            case {"Fn::Or": tests}:
                return any(map(self.holds, tests))
            case _:
                raise ValueError(f"no condition: {test}")

    def _made(self, resource: Mapping[str, Any]) -> bool:
        return "Condition" not in resource or self.holds({"Condition": resource["Condition"]})


def read(template: Template, **parameters: str) -> Reading:
    """The template with these parameters, and the defaults of the others."""
    defaults = {name: str(each["Default"]) for name, each in template["Parameters"].items()}
    assert parameters.keys() <= defaults.keys()
    return Reading(template=template, parameters=defaults | parameters)


def named(reference: object) -> str:
    """The resource a reference means."""
    match reference:
        case {"Ref": str(name)}:
            return name
        case {"Fn::GetAtt": [str(name), *_]}:
            return name
        case _:
            return str(reference)


def walk(node: Any) -> Iterator[dict[str, Any]]:
    """Every mapping in it, itself first."""
    if isinstance(node, dict):
        yield node
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from walk(each)
