"""Serving a checkpoint: settings in, a running application out. `app.py` and `nextgpt-chat serve` are this function."""

import logging
import os
import signal
import threading
from typing import Any

from nextgpt_chat.application import App, Load
from nextgpt_chat.checkpoint import Checkpoint, find_checkpoint
from nextgpt_chat.events import Model
from nextgpt_chat.loading import load_pipeline
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.media.provenance import Sign, signer
from nextgpt_chat.settings import Settings
from nextgpt_chat.zero_gpu import Lent, is_zero_gpu


def serve(settings: Settings) -> None:
    """Serves until SIGINT or SIGTERM. Raises `UserError` if it cannot begin."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for noisy in ("httpx", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    checkpoints = [find_checkpoint(settings.checkpoints, name) for name in settings.models]
    sign = signer(settings.data)
    app = App(settings, [(checkpoint, loader(checkpoint, settings, sign)) for checkpoint in checkpoints])
    ended = threading.Event()

    def end(_signal: int, _frame: Any) -> None:
        ended.set()

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)
    try:
        address = app.launch()
        logging.getLogger(__name__).info("%s is served at %s", " and ".join(one.title for one in checkpoints), address)
        ended.wait()
    finally:
        app.close()


def loader(checkpoint: Checkpoint, settings: Settings, sign: Sign) -> Load:
    """What loads a checkpoint; on a Space that lends its GPU by the call it is loaded at once, since it must be there before the page is."""

    def load(content: ContentStore) -> Model:
        return load_pipeline(checkpoint.folder, content, settings.device, sign, settings.fit)

    if not is_zero_gpu():
        return load
    lent = Lent(load(ContentStore(settings.media)), checkpoint.name)
    return lambda _content: lent
