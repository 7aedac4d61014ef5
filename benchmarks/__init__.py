"""Slipway beside the plain tools, measured in one run; each benchmark prints a ratio."""
