"""The one exception that a person is meant to read."""


class ToolchainError(Exception):
    """A step of the toolchain failed; the message names what was seen and what to do, and needs no traceback."""
