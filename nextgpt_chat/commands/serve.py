"""`nextgpt-chat serve`."""

from pathlib import Path
from typing import Annotated

import typer

from nextgpt_chat.commands.options import settings_with
from nextgpt_chat.serving import serve


def main(
    model: Annotated[str | None, typer.Option(help="Name of a model, or a checkpoint folder.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; 0.0.0.0 serves the network.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder for the database and the media.")] = None,
) -> None:
    """Serves the chat page until it is stopped."""
    serve(settings_with(model=model, host=host, port=port, data=data))
