"""What to do about an error of AWS's: botocore says what happened, this says what helps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from collections.abc import Mapping

SIGN_IN: Final = "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE for a profile of ~/.aws"
EXPIRED: Final = "the credentials have expired. Sign in again, or set a fresh AWS_SESSION_TOKEN"
UNKNOWN: Final = "AWS does not know these credentials. Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_PROFILE"
FORBIDDEN: Final = (
    "Deploying takes rights on CloudFormation, S3, IAM roles, Lambda, API Gateway, DynamoDB, SQS, KMS, EventBridge, "
    "SNS and CloudWatch"
)

CODES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("ExpiredToken", "ExpiredTokenException", "RequestExpired"), EXPIRED),
    **dict.fromkeys(("InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId"), UNKNOWN),
    "SignatureDoesNotMatch": "the secret does not fit the key, or this machine's clock is wrong. Check both",
    "RequestTimeTooSkewed": "this machine's clock is wrong. Set it",
    "OptInRequired": "this account has not enabled the service or the region. Enable it in the console, or set REGION",
    **dict.fromkeys(("Throttling", "ThrottlingException"), "AWS is asked too often. Try again in a minute"),
}
DENIED: Final = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403"})

KINDS: Final[Mapping[str, str]] = {
    "NoCredentialsError": f"there are no AWS credentials. {SIGN_IN}",
    "PartialCredentialsError": f"the AWS credentials are incomplete. {SIGN_IN}",
    "CredentialRetrievalError": f"the AWS credentials could not be fetched. {SIGN_IN}",
    "ProfileNotFound": "AWS_PROFILE names a profile that ~/.aws does not have. Unset it or correct it",
    "NoRegionError": "no region is set. Say which one: make deploy REGION=us-east-1",
    **dict.fromkeys(("SSOTokenLoadError", "UnauthorizedSSOTokenError", "TokenRetrievalError"), EXPIRED),
}
UNREACHABLE: Final = frozenset({"EndpointConnectionError", "ConnectTimeoutError", "ConnectionClosedError"})


def advice(error: Exception) -> str:
    """The error in a sentence, with what to do where that is known; else in its own words."""
    if isinstance(error, ClientError):
        return _of_a_refusal(error)
    if isinstance(error, BotoCoreError):
        name = type(error).__name__
        if name in UNREACHABLE:
            return f"{error}. Check the network and REGION, or ENDPOINT and whether `make run` is running"
        return KINDS.get(name, str(error))
    return str(error)


def _of_a_refusal(error: ClientError) -> str:
    code, message = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
    if code in DENIED:
        return f"these credentials may not {error.operation_name}: {message}. {FORBIDDEN}"
    if code == "ValidationError":  # CloudFormation's own words: a rule of the template, a value out of bounds
        return f"CloudFormation refuses: {message}"
    if code in CODES:
        return f"{CODES[code]} ({code})"
    return str(error)
