"""One gateway for all tests of the policies: compiling takes a second or two."""

from collections.abc import Iterator

import pytest

from tests.policies import mono
from tests.policies.gateway import Gateway, our_program

INSTALLATION_SECONDS = 700
"""Longer than apt-get may take; the tests themselves take milliseconds."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/policies/" in item.path.as_posix():
            item.add_marker(pytest.mark.timeout(INSTALLATION_SECONDS))


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Our policies, running."""
    mono.require()
    with Gateway(our_program().build(tmp_path_factory.mktemp("gateway"))) as running:
        yield running
