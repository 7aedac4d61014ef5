"""`slipway VERB`, or `python -m commands VERB`; `slipway --help` tells the verbs."""

import typer

from commands.approve import approve
from commands.clean_registry import clean_registry
from commands.evidence import evidence
from commands.preview import preview
from commands.prove import prove
from commands.releases import releases
from commands.rescan import rescan

VERBS = (preview, evidence, rescan, releases, approve, prove, clean_registry)


def application() -> typer.Typer:
    """The command line with all of its verbs."""
    made = typer.Typer(
        name="slipway",
        help="What pulumi itself has no word for.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,  # they would show the values of variables, a password among them
    )
    made.callback()(lambda: None)
    for verb in VERBS:
        made.command()(verb)
    return made


if __name__ == "__main__":
    from steps.tool import end_on_signals  # only here: to know the verbs takes no step

    end_on_signals()
    application()(prog_name="slipway")
