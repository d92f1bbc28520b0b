"""What a deploy is about to do, said before it does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from infra import prices
from infra.deploy import EMPTY, Deployment, is_current
from infra.values import Template, defaults

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.stacks import Stack

OLDEST: Final = "python3.11"
"""At the end of its life as a runtime of Lambda."""
LOCAL: Final = "LocalEndpoint"


def plan(deployment: Deployment, *, account: str, found: Stack | None) -> list[str]:
    """The lines of the plan."""
    template, tick = deployment.template(), deployment.template()["Resources"]["Tick"]["Properties"]
    values = parameters(template, given={"Stage": deployment.stage, **deployment.parameters}, found=found)
    megabytes = deployment.artifact.code.stat().st_size / 1e6
    return [
        f"stage {deployment.stage}: account {account}, {deployment.region}, {deployment.endpoint or 'AWS'}",
        f"  stack       {deployment.stack}: {_deed(deployment, found)}",
        f"  functions   {tick['Runtime']} on {tick['Architectures'][0]}, {megabytes:.1f} MB",
        f"  parameters  {_differences(template, values)}",
        *_bill(template, values),
        *_warnings(tick["Runtime"], deployment),
    ]


def parameters(template: Template, *, given: Mapping[str, str], found: Stack | None) -> dict[str, str]:
    """Every parameter's value after the deploy: as given, else as the stack has it, else its default."""
    kept = found.parameters if found and found.status != EMPTY else {}
    return {name: given.get(name, kept.get(name, default)) for name, default in defaults(template).items()}


def unknown(template: Template, given: Mapping[str, str]) -> str | None:
    """What is wrong with the names of the parameters that are given."""
    wrong = sorted(given.keys() - template["Parameters"].keys() | given.keys() & {"Stage"})
    if not wrong:
        return None
    names = ", ".join(sorted(template["Parameters"].keys() - {"Stage", LOCAL}))
    return f"PARAMETERS names {', '.join(wrong)}, which is none to be set. There are: {names}"


def _deed(deployment: Deployment, found: Stack | None) -> str:
    if found is None or found.status == EMPTY:
        return "will be created"
    return f"{'is unchanged' if is_current(deployment, found) else 'will be updated'} ({found.status})"


def _differences(template: Template, values: Mapping[str, str]) -> str:
    told = [
        f"{name}={value} (default {said['Default'] or 'empty'})"
        for name, value in values.items()
        if not (said := template["Parameters"][name]).get("NoEcho")
        and name != "Stage"
        and value != str(said["Default"])
    ]
    told += [f"{name}, which is not shown" for name, value in values.items() if _is_hidden(template, name, value)]
    return ", ".join(told) or "all as by default"


def _is_hidden(template: Template, name: str, value: str) -> bool:
    """Whether a parameter that is not echoed is set, as far as CloudFormation tells: it has asterisks for any value."""
    said = template["Parameters"][name]
    return bool(said.get("NoEcho")) and value != str(said["Default"]) and set(value) != {"*"}


def _bill(template: Template, values: Mapping[str, str]) -> list[str]:
    items = prices.idle(template, values)
    whole = sum(item.dollars for item in items)
    lines = [f"    {item.dollars:6.2f}  {item.what}" for item in items]
    head = f"  idle        ${whole:.2f} a month: computed from list prices ({prices.AS_OF}), free tier not counted"
    return [head, *lines]


def _warnings(runtime: str, deployment: Deployment) -> list[str]:
    if runtime != OLDEST or deployment.endpoint:
        return []
    other = "make clean, then make deploy PYTHON=python3.13"
    return [f"  warning: {runtime} is at the end of its life on Lambda. To change it: {other}"]
