"""Which stack a verb is about: the one that is named, or the one that is selected."""

from steps.stacks import Stack, find_stack
from steps.tool import StepError, ToolError, run_tool


def chosen(name: str | None) -> Stack:
    """The stack with this name, or the one that `pulumi stack select` has chosen.

    Raises:
        StepError: there is none.
    """
    return find_stack(name or _selected())


def _selected() -> str:
    try:
        return run_tool(["pulumi", "stack", "--show-name", "--non-interactive", "--color", "never"]).strip()
    except ToolError as error:
        raise StepError(f"no stack is selected: name one, or run `pulumi stack select NAME`.\n{error}") from None
