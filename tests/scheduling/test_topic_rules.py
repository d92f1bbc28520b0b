"""What an SNS message may be: T25 and T34 as tables."""

import pytest

from chalicelib.scheduling.errors import Invalid, TooLarge
from chalicelib.scheduling.topic_rules import check_topic


def problem_field(arn: str, region: str, message: str = "hello") -> str:
    with pytest.raises(Invalid) as refused:
        check_topic(arn, region, message, arn_field="sns_topic", region_field="sns_region", message_field="sns_message")
    return refused.value.problems[0].field


@pytest.mark.parametrize(
    ("arn", "region"),
    [
        ("arn:aws:sns:us-east-1:123456789012:news", "us-east-1"),
        ("arn:aws:sns:eu-central-2:123456789012:A-b_9", "eu-central-2"),
        ("arn:aws-cn:sns:cn-north-1:123456789012:news", "cn-north-1"),
        ("arn:aws-us-gov:sns:us-gov-west-1:123456789012:news", "us-gov-west-1"),
    ],
)
def test_a_topic_in_its_own_region_passes(arn: str, region: str) -> None:
    check_topic(arn, region, "hello")


@pytest.mark.parametrize(
    "region",
    [
        "",
        "us-east-9",
        "US-EAST-1",
        "us-east-1.evil.example/",
        "us-east-1@evil.example",
        "evil.example#",
        "us-iso-east-1",
    ],
)
def test_t25_a_region_that_is_not_in_the_list_is_refused(region: str) -> None:
    assert problem_field(f"arn:aws:sns:{region}:123456789012:news", region) == "sns_region"


@pytest.mark.parametrize("region", ["us-east-2", "cn-north-1"])
def test_t25_a_region_that_is_not_the_one_of_the_arn_is_refused(region: str) -> None:
    assert problem_field("arn:aws:sns:us-east-1:123456789012:news", region) == "sns_region"


@pytest.mark.parametrize(
    "arn",
    [
        pytest.param("", id="nothing"),
        pytest.param("news", id="a bare name"),
        pytest.param("arn:aws:sqs:us-east-1:123456789012:news", id="another service"),
        pytest.param("arn:aws:sns:us-east-1:12345678901:news", id="an account of eleven digits"),
        pytest.param("arn:aws:sns:us-east-1:\uff11\uff123456789012:news", id="full-width digits"),
        pytest.param("arn:aws:sns:us-east-1:123456789012:", id="no name"),
        pytest.param("arn:aws:sns:us-east-1:123456789012:news\n", id="a newline at the end"),
        pytest.param("arn:aws:sns:us-east-1:123456789012:news:6b0e71bd-7e97", id="a subscription"),
        pytest.param("arn:aws:sns:us-east-1:123456789012:app/GCM/mine", id="a platform application"),
        pytest.param("arn:aws:sns:us-east-1:123456789012:endpoint/GCM/mine/5e3e9847", id="a phone's endpoint"),
        pytest.param("arn:aws:sns:us-east-1:123456789012:news.fifo", id="a FIFO topic"),
        pytest.param("+15555550100", id="a phone number"),
        pytest.param("arn:aws-cn:sns:us-east-1:123456789012:news", id="another partition"),
        pytest.param(f"arn:aws:sns:us-east-1:123456789012:{'n' * 257}", id="a name too long"),
    ],
)
def test_t25_what_is_not_the_arn_of_a_topic_is_refused(arn: str) -> None:
    assert problem_field(arn, "us-east-1") == "sns_topic"


@pytest.mark.parametrize("message", ["", "\ud800", "x" * (256 * 1024 + 1), "é" * (128 * 1024) + "x"])
def test_t34_a_message_is_text_of_at_most_256_kib(message: str) -> None:
    assert problem_field("arn:aws:sns:us-east-1:123456789012:news", "us-east-1", message) == "sns_message"


def test_t34_a_message_of_256_kib_passes_and_one_byte_more_is_too_large() -> None:
    check_topic("arn:aws:sns:us-east-1:123456789012:news", "us-east-1", "é" * (128 * 1024))
    with pytest.raises(TooLarge):
        check_topic("arn:aws:sns:us-east-1:123456789012:news", "us-east-1", "x" * (256 * 1024 + 1))
