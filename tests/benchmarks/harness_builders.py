"""Builders for the tests of the harness."""

from typing import Any

from benchmarks.measure import Figures


def a_figure(**given: Any) -> Figures:
    """One run's figures, of which a test says what matters to it."""
    usual: dict[str, Any] = {
        "created": 1000, "creates": 100.0, "late_p50": 0.5, "late_p99": 1.0, "late_max": 1.1, "rate": 900.0, "cpu": 1.0,
        "standin_cpu": None, "requests": None, "peak": 50.0, "lost": 0, "doubled": 0, "malformed": 0, "early": 0,
    }  # fmt: skip
    return Figures(**usual | given)
