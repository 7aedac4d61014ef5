"""Installs and runs everything that Slipway stands on; knows nothing of Slipway itself. Standard library only."""
