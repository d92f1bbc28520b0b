"""What an SNS message may be: pure rules, asked at creation.

The region decides which host receives a request signed with somebody's keys, so it comes from a fixed list, never from
a pattern, and must be the one inside the topic's ARN. FIFO topics are refused: their messages need a group, which no
API asks for.
"""

import re

from chalicelib.scheduling.errors import Invalid, TooLarge

MAX_MESSAGE = 256 * 1024
TOPIC_ARN = re.compile(
    r"arn:(?P<partition>aws|aws-cn|aws-us-gov):sns:(?P<region>[a-z0-9-]+):[0-9]{12}:[A-Za-z0-9_-]{1,256}"
)

# The public regions with SNS, by partition. Source: botocore 1.43.106, `endpoints.json`.
REGIONS = {
    **dict.fromkeys(
        (
            *("af-south-1", "ap-east-1", "ap-east-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3"),
            *("ap-south-1", "ap-south-2", "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4"),
            *("ap-southeast-5", "ap-southeast-6", "ap-southeast-7", "ca-central-1", "ca-west-1", "eu-central-1"),
            *("eu-central-2", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3"),
            *("il-central-1", "me-central-1", "me-south-1", "mx-central-1", "sa-east-1"),
            *("us-east-1", "us-east-2", "us-west-1", "us-west-2"),
        ),
        "aws",
    ),
    **dict.fromkeys(("cn-north-1", "cn-northwest-1"), "aws-cn"),
    **dict.fromkeys(("us-gov-east-1", "us-gov-west-1"), "aws-us-gov"),
}


def check_topic(
    arn: str,
    region: str,
    message: str,
    *,
    arn_field: str = "arn",
    region_field: str = "region",
    message_field: str = "message",
) -> None:
    """Refuses (Invalid, TooLarge) what SNS could not publish, or could publish elsewhere than the ARN says."""
    if region not in REGIONS:
        raise Invalid(region_field, "is not an AWS region")
    match = TOPIC_ARN.fullmatch(arn)
    if match is None or REGIONS.get(match["region"]) != match["partition"]:
        raise Invalid(arn_field, "is not the ARN of an SNS topic")
    if match["region"] != region:
        raise Invalid(region_field, "is not the region of the topic")
    _check_message(message, message_field)


def _check_message(message: str, field: str) -> None:
    if not message:
        raise Invalid(field, "must not be empty")
    try:
        size = len(message.encode())
    except UnicodeEncodeError:
        raise Invalid(field, "is not Unicode text") from None
    if size > MAX_MESSAGE:
        raise TooLarge(field, f"must have at most {MAX_MESSAGE} bytes")
