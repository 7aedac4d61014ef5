"""What the tests of the policy pack share: a small release, which takes seconds, in place of the sample's."""

import pytest

from tests.e2e.bare import STACK, Released, release
from tests.e2e.conftest import Checkout


@pytest.fixture(scope="session", name="released")
def released_stack(checkout: Checkout) -> Released:
    """A release that programs of somebody else run."""
    checkout.lasting.add(STACK)
    return release(checkout)
