"""Reads what a registry holds about a digest, and verifies it in this process with keys of its own."""
