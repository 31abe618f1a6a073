"""Somebody with the portal open."""

from tests.totals.conftest import by_hand  # noqa: F401 - a fixture
