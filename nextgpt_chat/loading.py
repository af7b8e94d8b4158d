"""From a checkpoint's folder to a pipeline that is ready, on what devices there are."""

import logging
import threading
from pathlib import Path

import torch

from nextgpt_chat.checkpoint import read_checkpoint
from nextgpt_chat.errors import SetupError
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.media.provenance import Sign
from nextgpt_chat.pipeline import Pipeline
from nextgpt_chat.placement import find_devices, placements

log = logging.getLogger(__name__)

LOADING = threading.Lock()
"""One model after the other: libraries change PyTorch for all threads while they load, so that another model would come out empty."""


def load_pipeline(
    folder: Path, content: ContentStore, device: str = "auto", sign: Sign | None = None, fit: str = "auto"
) -> Pipeline:
    """Loads the checkpoint in `folder`. `device` is `auto`, `cpu`, `cuda` or `cuda:N`; `sign` puts content credentials into what is made; `fit` is
    `auto`, by what there is of memory, or one of `memory.WAYS`. If the memory is full nevertheless, `auto` tries the more frugal ways.

    Raises `SetupError` if that cannot be.
    """
    checkpoint, devices = read_checkpoint(folder), find_devices(device)
    precision = checkpoint.precision if devices[0].type == "cuda" else "float32"
    with LOADING:
        for placement in placements(checkpoint, precision, devices, fit):
            try:
                return Pipeline(checkpoint, content, placement, sign, getattr(torch, precision))
            except torch.OutOfMemoryError as error:
                log.warning("%s does not fit in the way '%s': %s", checkpoint.title, placement.way, str(error))
            if devices[0].type == "cuda":
                torch.cuda.empty_cache()
    raise SetupError(
        f"The GPU's memory was full while {checkpoint.title} was loaded. End what else uses it, or choose a smaller model."
    )
