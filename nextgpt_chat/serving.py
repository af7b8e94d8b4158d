"""Serving a checkpoint: settings in, a running application out. `app.py` and `nextgpt-chat serve` are this function."""

import logging
import os
import signal
import threading
from typing import Any

from nextgpt_chat.application import App
from nextgpt_chat.checkpoint import find_checkpoint
from nextgpt_chat.events import Model
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.pipeline import load_pipeline
from nextgpt_chat.settings import Settings
from nextgpt_chat.zero_gpu import Lent, is_zero_gpu


def serve(settings: Settings) -> None:
    """Serves until SIGINT or SIGTERM. Raises `UserError` if it cannot begin."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for noisy in ("httpx", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    checkpoint = find_checkpoint(settings.checkpoints, settings.model)

    def load(content: ContentStore) -> Model:
        return load_pipeline(checkpoint.folder, content, settings.device)

    if is_zero_gpu():  # where the model must be there before the page is
        lent = Lent(load(ContentStore(settings.media)), checkpoint.name)
        app = App(settings, checkpoint, lambda _content: lent)
    else:
        app = App(settings, checkpoint, load)
    ended = threading.Event()

    def end(_signal: int, _frame: Any) -> None:
        ended.set()

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)
    try:
        address = app.launch()
        logging.getLogger(__name__).info("%s is served at %s", checkpoint.title, address)
        ended.wait()
    finally:
        app.close()
