"""6.6 and T35: which type an Accept header likes best, and that no header makes it fail."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.api.accept import best

GET = ("application/json", "text/xml", "application/xml")
LIST = ("text/plain", *GET)
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
JAVA = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"


@pytest.mark.parametrize(
    ("accept", "offers", "expected"),
    [
        pytest.param("", LIST, "text/plain", id="no header: the first of the seed's list"),
        pytest.param("", GET, "application/json", id="no header, where there is no text"),
        pytest.param("*/*", LIST, "text/plain", id="anything: the first"),
        pytest.param("text/xml;q=.5, application/json;q=.9", LIST, "application/json", id="the higher quality"),
        pytest.param("application/json;q=0.1, text/xml;q=0.2", GET, "text/xml", id="whatever their order"),
        pytest.param("text/*", GET, "text/xml", id="a range of types"),
        pytest.param("text/*", LIST, "text/plain", id="a range, the first that fits"),
        pytest.param(BROWSER, GET, "application/xml", id="a browser"),
        pytest.param(JAVA, LIST, "text/plain", id="a Java client, with a bare star"),
        pytest.param("application/xml, text/xml", GET, "text/xml", id="ties go by our order"),
        pytest.param("*/*;q=0.1, text/plain;q=0", LIST, "application/json", id="q=0 excludes"),
        pytest.param("text/*;q=0, */*", GET, "application/json", id="a range with q=0 excludes"),
        pytest.param("text/*;q=0.3, text/xml;q=0.7, */*;q=0.5", LIST, "text/xml", id="the most specific counts"),
        pytest.param("*/*, application/json;q=0.2, text/plain;q=0.1", LIST[:2], "application/json", id="though lower"),
        pytest.param("application/json;charset=utf-8", LIST, "application/json", id="parameters take no part"),
        pytest.param('application/json; charset="utf-8"; q=0.4', LIST, "application/json", id="nor before the quality"),
        pytest.param("APPLICATION/JSON;Q=0.5", LIST, "application/json", id="upper case"),
        pytest.param("text/xml;q=high, application/json;q=0.1", GET, "application/json", id="malformed quality is 0"),
        pytest.param("text/xml;q=2, application/json;q=0.1", GET, "application/json", id="so is one above 1"),
        pytest.param("text/xml;q=-1", GET, None, id="and one below 0"),
        pytest.param("text/xml;q=", GET, None, id="and an empty one"),
        pytest.param("text/xml;q=nan", GET, None, id="and one that is no number"),
        pytest.param("image/png", LIST, None, id="nothing of ours"),
        pytest.param("*/*;q=0", LIST, None, id="nothing at all"),
        pytest.param("garbage", LIST, None, id="no media range"),
        pytest.param(",,;;//,\x00é", LIST, None, id="worse"),
        pytest.param("garbage, text/xml", LIST, "text/xml", id="garbage beside something"),
        pytest.param("text/xml;q=0.1, text/xml;q=0.9, text/plain;q=0.5", LIST, "text/xml", id="twice: the higher"),
        pytest.param("a/b," * 5000 + "text/xml", LIST, "text/xml", id="20 kB"),
        pytest.param("text/xml" + ";" * 20000, LIST, "text/xml", id="20 kB of semicolons"),
        pytest.param("*/*", (), None, id="no offers"),
    ],
)
def test_6_6_the_best_offer(accept: str, offers: tuple[str, ...], expected: str | None) -> None:
    assert best(accept, offers) == expected


@given(st.text(alphabet="*/;q=.019, atexml\x00é", max_size=60) | st.text(max_size=60))
def test_t35_no_header_makes_it_fail(accept: str) -> None:
    assert best(accept, LIST) in {*LIST, None}
