"""The dashboard and the alarms look at what is really there: our metrics as emitted, AWS's own of this stack."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest

from chalicelib.api import dialects
from chalicelib.observability import METRICS, NAMESPACE
from infra.package import DASHBOARD, resources
from tests.engine import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

WIDGETS: Final[list[dict[str, Any]]] = json.loads(DASHBOARD.read_text())["widgets"]
ALARMS: Final[dict[str, dict[str, Any]]] = {
    name: each["Properties"]
    for name, each in resources()["Resources"].items()
    if each.get("Type") == "AWS::CloudWatch::Alarm"
}
README: Final = "\n" + (ROOT / "infra/README.md").read_text()
STAGE: Final = ("stage", "${Stage}")
INDEXES: Final = ("next-fire", "by-job")

# What AWS emits, and under which dimensions, as far as it is used here. Sources, all below https://docs.aws.amazon.com:
# AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
# lambda/latest/dg/monitoring-metrics-types.html
# amazondynamodb/latest/developerguide/metrics-dimensions.html
# AmazonCloudWatch/latest/logs/CloudWatch-Logs-Monitoring-CloudWatch-Metrics.html
AWS_METRICS: Final = {
    "AWS/SQS": {
        "ApproximateAgeOfOldestMessage",
        "ApproximateNumberOfMessagesNotVisible",
        "ApproximateNumberOfMessagesVisible",
        "NumberOfEmptyReceives",
        "NumberOfMessagesDeleted",
        "NumberOfMessagesReceived",
        "NumberOfMessagesSent",
    },
    "AWS/Lambda": {"Duration", "Errors", "Invocations", "Throttles"},
    "AWS/DynamoDB": {
        "ConsumedReadCapacityUnits",
        "ConsumedWriteCapacityUnits",
        "ReadThrottleEvents",
        "WriteThrottleEvents",
    },
    "AWS/Logs": {"IncomingBytes"},
}
NAMED_BY: Final = {
    "QueueName": ("AWS::SQS::Queue", "${%s.QueueName}"),
    "FunctionName": ("AWS::Serverless::Function", "${%s}"),
    "TableName": ("AWS::DynamoDB::Table", "${%s}"),
    "LogGroupName": ("AWS::Logs::LogGroup", "${%s}"),
}
"""By the dimension: the type of the resource it names, and what stands for its name in a template."""
DIMENSIONS: Final[dict[str, set[tuple[str, ...]]]] = {
    "AWS/SQS": {("QueueName",)},
    "AWS/Lambda": {("FunctionName",)},
    "AWS/DynamoDB": {("TableName",), ("TableName", "GlobalSecondaryIndexName")},
    "AWS/Logs": {("LogGroupName",)},
}


@dataclass(frozen=True, kw_only=True)
class Use:
    """A metric as a widget or an alarm asks for it."""

    where: str
    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return " ".join((self.where, self.name, *(value for _, value in self.dimensions)))


@dataclass(frozen=True, kw_only=True)
class Mathematics:
    """What one widget or one alarm computes: the ids it has, and its expressions."""

    where: str
    ids: list[str]
    expressions: list[str]


def _text(value: Any) -> str:
    """A value of a template as Fn::Sub would write it."""
    match value:
        case {"Ref": str(name)}:
            return f"${{{name}}}"
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            return f"${{{name}.{attribute}}}"
        case {"Fn::Sub": str(text)} | str(text):
            return text
        case _:
            raise AssertionError(f"not understood: {value}")


def _of_widgets() -> Iterator[Use]:
    for widget in WIDGETS:
        for *metric, _ in widget["properties"].get("metrics", []):
            if metric:
                namespace, name, *rest = metric
                pairs = tuple(zip(rest[::2], rest[1::2], strict=True))
                yield Use(where=widget["properties"]["title"], namespace=namespace, name=name, dimensions=pairs)


def _of_alarms() -> Iterator[Use]:
    for where, alarm in ALARMS.items():
        stats = [entry["MetricStat"]["Metric"] for entry in alarm.get("Metrics", []) if "MetricStat" in entry]
        for metric in stats or [alarm]:
            pairs = tuple((each["Name"], _text(each["Value"])) for each in metric["Dimensions"])
            yield Use(where=where, namespace=metric["Namespace"], name=metric["MetricName"], dimensions=pairs)


USES: Final = [*_of_widgets(), *_of_alarms()]
OURS: Final = [use for use in USES if use.namespace == NAMESPACE]
THEIRS: Final = [use for use in USES if use.namespace != NAMESPACE]


def _mathematics() -> Iterator[Mathematics]:
    for widget in WIDGETS:
        options = [entry[-1] for entry in widget["properties"].get("metrics", [])]
        yield Mathematics(
            where=widget["properties"].get("title", ""),
            ids=[each["id"] for each in options if "id" in each],
            expressions=[each["expression"] for each in options if "expression" in each],
        )
    for name, alarm in ALARMS.items():
        entries = alarm.get("Metrics", [])
        expressions = [_text(entry["Expression"]) for entry in entries if "Expression" in entry]
        yield Mathematics(where=name, ids=[entry["Id"] for entry in entries], expressions=expressions)


COMPUTED: Final = [each for each in _mathematics() if each.expressions]


# --- metrics ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("use", OURS, ids=str)
def test_our_metrics_are_asked_for_as_they_are_emitted(use: Use) -> None:
    assert tuple(name for name, _ in use.dimensions) in METRICS[use.name].dimensions
    assert use.dimensions[0] == STAGE
    assert {value for name, value in use.dimensions if name == "api"} <= set(dialects.NAMES)


def test_all_that_is_emitted_is_looked_at() -> None:
    assert {use.name for use in OURS} == set(METRICS)


def test_the_requests_of_every_api_are_shown() -> None:
    shown = [dict(use.dimensions)["api"] for use in OURS if use.name == "Requests" and use.where not in ALARMS]
    assert sorted(shown) == sorted(dialects.NAMES)


@pytest.mark.parametrize("use", THEIRS, ids=str)
def test_metrics_of_aws_exist_and_are_of_this_stack(use: Use, template: dict[str, Any]) -> None:
    assert use.name in AWS_METRICS[use.namespace]
    assert tuple(name for name, _ in use.dimensions) in DIMENSIONS[use.namespace]
    (dimension, value), *index = use.dimensions
    kind, written = NAMED_BY[dimension]
    assert value in {written % name for name, each in template["Resources"].items() if each["Type"] == kind}
    assert all(name in INDEXES for _, name in index)


def test_every_index_of_the_jobs_table_is_watched(template: dict[str, Any]) -> None:
    indexes = template["Resources"]["JobsTable"]["Properties"]["GlobalSecondaryIndexes"]
    assert {each["IndexName"] for each in indexes} == set(INDEXES)
    for metric in ("ConsumedWriteCapacityUnits", "WriteThrottleEvents"):
        assert {use.dimensions[-1][1] for use in THEIRS if use.name == metric} == {
            *INDEXES,
            "${JobsTable}",
            "${AccountsTable}",
        }


@pytest.mark.parametrize("computed", COMPUTED, ids=lambda computed: computed.where)
def test_mathematics_is_about_what_is_there(computed: Mathematics) -> None:
    assert len(set(computed.ids)) == len(computed.ids)
    for expression in computed.expressions:
        names = set(re.findall(r"\b[a-z]\w*\b", re.sub(r"\$\{\w+\}", "0", expression)))
        assert names <= set(computed.ids), expression


def test_gigabyte_seconds_are_of_the_memory_each_function_has(template: dict[str, Any]) -> None:
    (widget,) = [each for each in WIDGETS if each["properties"].get("title") == "Lambda: GB-seconds"]
    entries = widget["properties"]["metrics"]
    functions = {entry[-1]["id"]: entry[3].strip("${}") for entry in entries if len(entry) > 1}
    computed = {entry[0]["expression"] for entry in entries if len(entry) == 1}
    assert computed == {
        f"{name} / 1000 * {_text(template['Resources'][function]['Properties']['MemorySize'])} / 1024"
        for name, function in functions.items()
    }


# --- widgets ----------------------------------------------------------------------------------------------------------


def test_widgets_fit_the_page_and_leave_no_hole() -> None:
    cells = [
        (x, y)
        for each in WIDGETS
        for x in range(each["x"], each["x"] + each["width"])
        for y in range(each["y"], each["y"] + each["height"])
    ]
    height = max(y for _, y in cells) + 1
    assert sorted(cells) == sorted(itertools.product(range(24), range(height)))


def test_the_lines_of_a_widget_are_told_apart() -> None:
    for widget in WIDGETS:
        shown = [each[-1] for each in widget["properties"].get("metrics", []) if each[-1].get("visible", True)]
        for key in ("label", "color"):
            values = [each[key] for each in shown]
            assert len(set(values)) == len(values), (widget["properties"]["title"], key)


def test_the_first_row_shows_every_alarm() -> None:
    (widget,) = [each for each in WIDGETS if each["type"] == "alarm"]
    arn = "arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm:"
    assert sorted(widget["properties"]["alarms"]) == sorted(
        arn + _text(alarm["AlarmName"]) for alarm in ALARMS.values()
    )
    assert widget["y"] == 1


def test_the_target_of_lateness_is_the_alarms() -> None:
    (target,) = [expression for each in COMPUTED if each.where.startswith("Late") for expression in each.expressions]
    assert target == f"TIME_SERIES({_text(ALARMS['FiringsLate']['Threshold'])})"


# --- alarms -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_says_what_it_means_and_what_to_do_first(name: str) -> None:
    alarm = ALARMS[name]
    assert _text(alarm["AlarmName"]) == f"belltower-${{Stage}}-{name}"
    assert re.match(r"(Now|Today): .+ First: .+\.$", alarm["AlarmDescription"])
    assert len(alarm["AlarmDescription"]) <= 1024


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_tells_when_it_rings_and_when_it_is_over(name: str) -> None:
    alarm = ALARMS[name]
    assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "AlarmTopic"}]
    assert alarm["TreatMissingData"] in {"breaching", "notBreaching", "ignore"}
    assert alarm["DatapointsToAlarm"] <= alarm["EvaluationPeriods"]


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_has_a_paragraph_in_the_runbook(name: str) -> None:
    _, found, rest = README.partition(f"\n### {name}\n")
    paragraph = rest.partition("\n#")[0].strip()
    assert found
    assert len(paragraph.split()) > 20


def test_the_runbook_speaks_of_no_other_alarms() -> None:
    section = README.partition("\n## Alarms: what each means, and what to do\n")[2].partition("\n## ")[0]
    assert re.findall(r"^### (\w+)$", section, flags=re.MULTILINE) == list(ALARMS)


def test_only_alarms_of_this_account_publish_to_the_topic(template: dict[str, Any]) -> None:
    (statement,) = template["Resources"]["AlarmsOfThisAccountPublish"]["Properties"]["PolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    assert "KmsMasterKeyId" not in template["Resources"]["AlarmTopic"]["Properties"]


def test_what_the_embedded_engine_cannot_compute_is_for_aws_only(template: dict[str, Any]) -> None:
    computed = {name for name, alarm in ALARMS.items() if "Metrics" in alarm}
    assert computed == {name for name in ALARMS if template["Resources"][name].get("Condition") == "OnAws"}
