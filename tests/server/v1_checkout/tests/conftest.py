"""A small suite in the manner of V1's own: it learns of the server from the environment, and nothing else."""

import os

import pytest
from letta_client import Letta


@pytest.fixture
def client():
    """Return the SDK for the server under test."""
    return Letta(base_url=os.environ["LETTA_SERVER_URL"], api_key=os.environ["LETTA_API_KEY"])
