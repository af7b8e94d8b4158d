"""The command line: a word, and the module whose `main` it runs.

A word's module is imported when the word is used, so that `--help` and `doctor` answer at once, without loading PyTorch.
"""

import importlib
import os
import sys

import typer

from nextgpt_chat import __version__
from nextgpt_chat.errors import UserError

COMMANDS = {
    "serve": "serve the chat page",
    "ask": "ask one question from the terminal",
    "train": "train a stage of the recipe, or all of it",
    "align": "train projections and a LoRA for any language model, on files of yours",
    "data": "write an instruction data set",
    "evaluate": "measure a model on scenes that it never saw, or on a folder of yours",
    "download": "fetch a model's parts from the Hugging Face hub",
    "convert": "make a model of the published NExT-GPT 7B",
    "annotate": "make campaigns in which people judge answers, and take their results",
    "account": "list accounts, give roles, set forgotten passwords",
    "doctor": "say what this machine can run and what is missing",
}


def main(arguments: list[str] | None = None) -> None:
    """Runs `nextgpt-chat WORD ...`; errors for people end with one sentence and exit status 1."""
    arguments = sys.argv[1:] if arguments is None else arguments
    word = arguments[0] if arguments else "--help"
    if word in ("--help", "-h"):
        lines = [f"  {name:10}{what}" for name, what in COMMANDS.items()]
        sys.stdout.write(
            "\n".join(
                ["Usage: nextgpt-chat WORD [OPTIONS]", "", *lines, "", "nextgpt-chat WORD --help shows a word's options.", ""]
            )
        )
        return
    if word == "--version":
        sys.stdout.write(f"{__version__}\n")
        return
    if word not in COMMANDS:
        sys.exit(f"There is no command '{word}'. The commands are: {', '.join(COMMANDS)}.")
    if word != "download":
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(importlib.import_module(f"nextgpt_chat.commands.{word}").main)
    try:
        app(args=arguments[1:], prog_name=f"nextgpt-chat {word}")
    except UserError as error:
        sys.exit(str(error))
