"""Fixtures every test may ask for."""

from tests.engine import engine

__all__ = ["engine"]
