"""The published weights of ImageBind, `imagebind_huge.pth`, as an `ImageBind`.

Nothing but tensors is read from the file, and every name in it is accounted for: either it is a weight here, under the same name, or it is in
`SKIPPED`. The weights are CC-BY-NC-SA-4.0: not for commercial use.
"""

from pathlib import Path

import torch

from nextgpt_chat.encode.imagebind import AUDIO, TEXT, VISION, ImageBind, ImageBindConfig, Trunk
from nextgpt_chat.errors import InputError
from nextgpt_chat.weights import mistakes, read_weights

IMAGEBIND_HUGE = ImageBindConfig(
    form="published",
    embedding=1024,
    image_size=224,
    frames=2,
    audio_size=(204, 128),
    vocabulary=49_408,
    text_length=77,
    trunks={VISION: Trunk(1280, 32, 16), TEXT: Trunk(1024, 24, 16), AUDIO: Trunk(768, 12, 12)},
)
SKIPPED = (
    *(
        f"{group}.{tower}."
        for group in ("modality_preprocessors", "modality_trunks", "modality_heads", "modality_postprocessors")
        for tower in ("depth", "thermal", "imu")
    ),
    "modality_preprocessors.text.mask",
)
"""Beginnings of the names that are left out: three towers for what nobody sends to a chat, and the causal mask, which is no weight."""
ACCEPTED = "the file imagebind_huge.pth, as ImageBind publishes it"


def from_published(path: Path, config: ImageBindConfig = IMAGEBIND_HUGE) -> ImageBind:
    """Reads `imagebind_huge.pth`; `save_pretrained` of what is returned writes a folder of this project's own.

    The weights stay in the file until they are used. Raises `InputError` for a file that cannot be read, and for one whose names or shapes are not
    those of `config`, with the missing, the left-over and the differently shaped ones.
    """
    with torch.device("meta"):
        model = ImageBind(config)
    found = {name: tensor for name, tensor in read_weights(path, ACCEPTED).items() if not name.startswith(SKIPPED)}
    if wrong := mistakes(found, {name: tensor.shape for name, tensor in model.state_dict().items()}):
        raise InputError(
            f"'{path.name}' does not hold the weights of ImageBind-huge: {wrong}. Get imagebind_huge.pth again from where ImageBind publishes it."
        )
    model.load_state_dict(found, assign=True)
    return model.eval()
