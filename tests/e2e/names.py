"""The names of what the tests make outside of their checkout."""

import secrets

PREFIX = f"slipway-e2e-{secrets.token_hex(3)}"
"""Begins the names of containers and networks: two runs on one engine do not get into each other's way."""
