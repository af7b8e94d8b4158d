from pathlib import Path

import torch

from nextgpt_chat.encode.imagebind import AUDIO, TEXT, VISION, ImageBind, ImageBindConfig, Trunk
from nextgpt_chat.encode.input_projection import InputProjection
from tests.conftest import CHECKPOINT

TRUNKS = {VISION: Trunk(32, 1, 2), AUDIO: Trunk(32, 1, 2), TEXT: Trunk(32, 1, 2)}

EMBEDDED = {
    "image": [-0.00049, 0.01199, 0.10565, -0.06382],
    "video": [0.04482, 0.04483, 0.14735, -0.04426],
    "audio": [0.15832, -0.00971, -0.03518, 0.10716],
    "text": [0.09305, -0.08948, -0.06838, 0.20585],
}
"""How the unit vectors begin that the embedded checkpoint makes of the ramps below, read off before this module had a second form."""


def small() -> ImageBind:
    torch.manual_seed(0)
    return ImageBind(ImageBindConfig(vocabulary=20, frames=2, trunks=TRUNKS)).eval()


def test_saved_and_loaded_it_sees_and_hears_the_same(tmp_path: Path) -> None:
    imagebind = small()
    imagebind.save_pretrained(tmp_path, torch.float32)
    again = ImageBind.from_pretrained(tmp_path)
    media = {"image": torch.rand(2, 3, 80, 80), "video": torch.rand(2, 2, 3, 80, 80), "audio": torch.randn(2, 128, 64)}
    for kind, batch in media.items():
        assert torch.equal(imagebind.encode_media(batch, kind), again.encode_media(batch, kind))
        assert torch.allclose(again.encode_media(batch, kind).norm(dim=-1), torch.ones(2))


def test_a_picture_is_a_clip_that_stands_still_and_the_order_of_frames_counts() -> None:
    imagebind = small()
    one, other = torch.rand(2, 3, 80, 80)
    still, forward, back = (torch.stack(frames)[None] for frames in ((one, one), (one, other), (other, one)))
    assert torch.allclose(imagebind.encode_media(one[None], "image"), imagebind.encode_media(still, "video"))
    assert not torch.allclose(imagebind.encode_media(forward, "video"), imagebind.encode_media(back, "video"))


def test_of_several_views_the_mean_is_seen() -> None:
    imagebind, views = small(), torch.rand(2, 3, 2, 3, 80, 80)
    each = torch.stack([imagebind.encode_media(views[:, i], "video") for i in range(3)], dim=1)
    assert torch.allclose(imagebind.encode_media(views, "video"), each.mean(dim=1), atol=1e-6)
    assert imagebind.media_tokens(views, "video").shape == (2, 1 + 100, 32)


@torch.inference_mode()
def test_the_embedded_encoder_says_what_it_said_when_it_was_trained() -> None:
    imagebind = ImageBind.from_pretrained(CHECKPOINT / "imagebind")
    ramp = torch.linspace(-1, 1, 2 * 3 * 80 * 80)
    found = {
        "image": imagebind.encode_media(ramp[: 3 * 80 * 80].view(1, 3, 80, 80), "image"),
        "video": imagebind.encode_media(ramp.view(1, 2, 3, 80, 80), "video"),
        "audio": imagebind.encode_media(4 * ramp[: 128 * 64].view(1, 128, 64), "audio"),
        "text": imagebind.encode_text(torch.arange(3, 13)[None], torch.tensor([9])),
    }
    for kind, beginning in EMBEDDED.items():
        assert torch.allclose(found[kind][0, :4], torch.tensor(beginning), atol=1e-4), kind


def test_every_kind_has_class_and_patch_tokens() -> None:
    imagebind = small()
    assert imagebind.media_tokens(torch.rand(2, 3, 80, 80), "image").shape == (2, 1 + 100, 32)
    assert imagebind.media_tokens(torch.randn(2, 128, 64), "audio").shape == (2, 1 + 128, 32)


def test_a_medium_becomes_as_many_embeddings_as_the_prompt_has_room_for() -> None:
    projection = InputProjection(16, 24, {"image": 8, "audio": 4})
    assert projection(torch.randn(2, 26, 16), "image").shape == (2, 8, 24)
    assert projection(torch.randn(2, 9, 16), "audio").shape == (2, 4, 24)
