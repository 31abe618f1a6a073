"""Somebody with the portal open."""

from collections.abc import AsyncIterator

import pytest

from tests.conftest import Stack
from tests.totals.ledgers import ByHand


@pytest.fixture
async def by_hand(stack: Stack) -> AsyncIterator[ByHand]:
    opened = ByHand(stack)
    yield opened
    await opened.close()
