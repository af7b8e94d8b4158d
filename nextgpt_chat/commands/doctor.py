"""`nextgpt-chat doctor`."""

import sys
from typing import Annotated

import typer

from nextgpt_chat.commands.options import settings_with
from nextgpt_chat.doctor import examine


def main(model: Annotated[str | None, typer.Option(help="Name of a model, or a checkpoint folder.")] = None) -> None:
    """Says what this machine can run and what is missing. Exit status 1 if the app cannot be served."""
    fatal = False
    for finding in examine(settings_with(model=model)):
        sys.stdout.write(f"{'✓' if finding.good else '✗'} {finding.sentence}\n")
        fatal = fatal or finding.fatal
    sys.stdout.write("This machine cannot serve the app yet.\n" if fatal else "This machine can serve the app.\n")
    raise typer.Exit(1 if fatal else 0)
