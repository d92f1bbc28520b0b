"""What the environment says, and what is said where it says nothing."""

import pytest

from chalicelib.settings import MissingSetting, from_environment

NEEDED = {
    "AWS_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "AKID",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "BELLTOWER_STAGE": "dev",
    "BELLTOWER_ACCOUNTS_TABLE": "accounts",
    "BELLTOWER_JOBS_TABLE": "jobs",
    "BELLTOWER_QUEUE_URL": "https://sqs.example/firings",
    "BELLTOWER_RETRY_QUEUE_URL": "https://sqs.example/retries",
    "BELLTOWER_KEY_ID": "key",
}


@pytest.mark.parametrize("name", NEEDED)
def test_a_missing_setting_is_named(name: str) -> None:
    with pytest.raises(MissingSetting, match=f"^{name} is not set$"):
        from_environment({**NEEDED, name: ""})


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("BELLTOWER_SHARDS", "many", "BELLTOWER_SHARDS must be a whole number, not 'many'"),
        ("BELLTOWER_RUNLATER_STRICT", "true", "BELLTOWER_RUNLATER_STRICT must be 0 or 1, not 'true'"),
        ("BELLTOWER_FAIR_QUEUES", "yes", "BELLTOWER_FAIR_QUEUES must be 0 or 1, not 'yes'"),
    ],
)
def test_a_setting_that_cannot_be_read_is_named(name: str, value: str, problem: str) -> None:
    with pytest.raises(MissingSetting, match=f"^{problem}$"):
        from_environment({**NEEDED, name: value})


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param("", 12, id="nobody says one"),
        pytest.param("7", 7, id="the operator says one"),
        pytest.param("0", None, id="there is no limit"),
    ],
)
def test_an_account_has_a_share_of_the_first_lane(said: str, expected: int | None) -> None:
    assert from_environment(NEEDED | {"BELLTOWER_SHARE": said}).share == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param({}, set(), id="nobody says a host"),
        pytest.param({"BELLTOWER_OWN_HOSTS": ""}, set(), id="the operator says none"),
        pytest.param({"BELLTOWER_OWN_HOSTS": "a.example, B.Example ,"}, {"a.example", "b.example"}, id="the operator"),
        pytest.param({"BELLTOWER_OWN_HOSTS": "a.example."}, {"a.example"}, id="the operator, with the root's dot"),
        pytest.param({"BELLTOWER_API_HOST": "id.execute-api.example"}, {"id.execute-api.example"}, id="the stack"),
        pytest.param(
            {"BELLTOWER_OWN_HOSTS": "a.example", "BELLTOWER_API_HOST": "id.example"},
            {"a.example", "id.example"},
            id="both",
        ),
    ],
)
def test_the_own_hosts_are_the_operators_and_the_stacks(said: dict[str, str], expected: set[str]) -> None:
    assert from_environment(NEEDED | said).own_hosts == expected
