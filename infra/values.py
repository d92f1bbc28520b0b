"""What expressions of a template come to, as far as its parameters decide them. Nothing is asked of AWS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Template = Mapping[str, Any]
Parameters = Mapping[str, str]


def value_of(template: Template, parameters: Parameters, expression: Any) -> Any:  # noqa: ANN401 - as YAML has it
    """A literal, with everything in it decided: None for no value, an expression as it is where only a stack knows."""

    def inner(part: Any) -> Any:  # noqa: ANN401 - as YAML has it
        return value_of(template, parameters, part)

    match expression:
        case {"Ref": "AWS::NoValue"}:
            return None
        case {"Ref": name} if name in parameters:
            return parameters[name]
        case {"Fn::FindInMap": [table, row, column]}:
            return template["Mappings"][table][inner(row)][inner(column)]
        case {"Fn::If": [name, yes, no]}:
            return inner(yes if holds(template, parameters, {"Condition": name}) else no)
        case dict():
            return {name: inner(part) for name, part in expression.items()}
        case list():
            return [inner(part) for part in expression]
    return expression


def holds(template: Template, parameters: Parameters, condition: Any) -> bool:  # noqa: ANN401 - as YAML has it
    """Whether a condition is met."""

    def each(parts: list[Any]) -> list[bool]:
        return [holds(template, parameters, part) for part in parts]

    match condition:
        case {"Condition": name}:
            return holds(template, parameters, template["Conditions"][name])
        case {"Fn::Not": parts}:
            return not all(each(parts))
        case {"Fn::And": parts}:
            return all(each(parts))
        case {"Fn::Or": parts}:
            return any(each(parts))
        case {"Fn::Equals": [left, right]}:
            return str(value_of(template, parameters, left)) == str(value_of(template, parameters, right))
    raise ValueError(f"no condition: {condition}")


def properties_of(template: Template, parameters: Parameters, kind: str) -> dict[str, dict[str, Any]]:
    """The properties, by name, of the resources of a kind that a stack with these parameters has."""
    return {
        name: value_of(template, parameters, one.get("Properties", {}))
        for name, one in template["Resources"].items()
        if one["Type"] == kind
        and ("Condition" not in one or holds(template, parameters, {"Condition": one["Condition"]}))
    }


def defaults(template: Template) -> dict[str, str]:
    """Every parameter's default."""
    return {name: str(said.get("Default", "")) for name, said in template["Parameters"].items()}
