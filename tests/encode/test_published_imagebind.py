import json
import math
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from transformers import CLIPTokenizer

from nextgpt_chat.encode.imagebind import AUDIO, TEXT, VISION, ImageBind, ImageBindConfig, Trunk, read_config
from nextgpt_chat.encode.published_imagebind import IMAGEBIND_HUGE, SKIPPED, from_published
from nextgpt_chat.errors import InputError, SetupError
from nextgpt_chat.evaluation.embedding import encoded_captions
from tests.encode.published_weights import HUGE, NARROW, published_shapes, random_weights

CONFIG = ImageBindConfig(
    form="published",
    embedding=6,
    image_size=28,
    frames=2,
    audio_size=(36, 26),
    vocabulary=30,
    text_length=9,
    trunks={VISION: Trunk(16, 2, 2), TEXT: Trunk(24, 2, 3), AUDIO: Trunk(8, 2, 2)},
)


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    return random_weights(published_shapes(NARROW, 6, 30))


@pytest.fixture(scope="module")
def imagebind(weights: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> ImageBind:
    path = tmp_path_factory.mktemp("published") / "imagebind_narrow.pth"
    torch.save(weights, path)
    return from_published(path, CONFIG)


def test_at_true_size_every_published_name_is_a_weight_of_the_same_shape_or_is_skipped() -> None:
    published = published_shapes(HUGE, 1024, 49_408)
    buffers = {name for name in published if name.endswith(".text.mask") or (name.endswith("scale") and ".text." not in name)}
    assert len(published) == 1311
    assert sum(math.prod(shape) for name, shape in published.items() if name not in buffers) == 1_200_781_057  # as published

    skipped = {name for name in published if name.startswith(SKIPPED)}
    towers = ("vision", "text", "audio", "depth", "thermal", "imu")
    counts = {tower: sum(name.split(".")[1] == tower for name in skipped) for tower in towers}
    assert counts == {"vision": 0, "text": 1, "audio": 0, "depth": 177, "thermal": 177, "imu": 93}
    assert all(any(name.startswith(beginning) for name in published) for beginning in SKIPPED)

    with torch.device("meta"):
        ours = {name: tuple(tensor.shape) for name, tensor in ImageBind(IMAGEBIND_HUGE).state_dict().items()}
    assert ours == {name: shape for name, shape in published.items() if name not in skipped}
    assert len(ours) == 863
    assert sum(math.prod(shape) for shape in ours.values()) == 1_073_097_730


def attention(x: Tensor, weights: dict[str, Tensor], block: str, heads: int, causal: bool) -> Tensor:
    """Self-attention by its definition, one medium at a time: [N, D] -> [N, D]."""
    query, key, value = (x @ weights[block + "in_proj_weight"].T + weights[block + "in_proj_bias"]).chunk(3, dim=-1)
    if block + "bias_k" in weights:
        key, value = torch.cat([key, weights[block + "bias_k"][0]]), torch.cat([value, weights[block + "bias_v"][0]])
    found = []
    for q, k, v in zip(query.chunk(heads, -1), key.chunk(heads, -1), value.chunk(heads, -1), strict=True):
        scores = q @ k.T / math.sqrt(q.shape[-1])
        if causal:
            scores = scores.masked_fill(torch.ones_like(scores).triu(1) > 0, -math.inf)
        found.append(scores.softmax(-1) @ v)
    return torch.cat(found, -1) @ weights[block + "out_proj.weight"].T + weights[block + "out_proj.bias"]


def norm(x: Tensor, weights: dict[str, Tensor], name: str, eps: float = 1e-6) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + eps).sqrt() * weights[name + ".weight"] + weights[name + ".bias"]


def trunk(x: Tensor, weights: dict[str, Tensor], tower: str) -> Tensor:
    front = f"modality_trunks.{tower}."
    if tower == VISION:
        x = norm(x, weights, front + "pre_transformer_layer.0")
    for i in range(CONFIG.trunks[tower].blocks):
        block = f"{front}blocks.{i}."
        y = norm(x, weights, block + "norm_1")
        x = x + attention(y, weights, block + "attn.", CONFIG.trunks[tower].heads, causal=tower == TEXT)
        y = norm(x, weights, block + "norm_2") @ weights[block + "mlp.fc1.weight"].T + weights[block + "mlp.fc1.bias"]
        y = y * (1 + torch.erf(y / math.sqrt(2))) / 2
        x = x + y @ weights[block + "mlp.fc2.weight"].T + weights[block + "mlp.fc2.bias"]
    return x


def media_reference(view: Tensor, weights: dict[str, Tensor], tower: str) -> Tensor:
    """One view, a clip [3, F, S, S] or a spectrogram [1, M, T] as the published model takes it -> class and patch tokens [N, D]."""
    front = f"modality_preprocessors.{tower}."
    if tower == VISION:
        patches = functional.conv3d(view[None], weights[front + "rgbt_stem.proj.1.weight"], stride=(2, 14, 14))[0].flatten(1).T
    else:
        patches = functional.conv2d(view[None], weights[front + "rgbt_stem.proj.weight"], stride=10)[0].flatten(1).T
        patches = norm(patches, weights, front + "rgbt_stem.norm_layer", eps=1e-5)
    tokens = torch.cat([weights[front + "cls_token"][0], patches]) + weights[front + "pos_embedding_helper.pos_embed"][0]
    return norm(trunk(tokens, weights, tower), weights, f"modality_heads.{tower}.0")


def unit(x: Tensor) -> Tensor:
    return x / x.square().sum(-1, keepdim=True).sqrt()


CASES: dict[str, tuple[str, tuple[int, ...], Callable[[Tensor], list[Tensor]]]] = {
    "image": (VISION, (3, 28, 28), lambda picture: [torch.stack([picture, picture], dim=1)]),
    "video": (VISION, (4, 2, 3, 28, 28), lambda views: [view.transpose(0, 1) for view in views]),
    "audio": (AUDIO, (3, 36, 26), lambda views: [view.T[None] for view in views]),
}
"""The tower of a kind of medium, a medium as this project holds it, and its views as the published model takes them."""


@pytest.mark.parametrize("kind", CASES)
@torch.inference_mode()
def test_it_sees_and_hears_what_plain_arithmetic_finds_in_each_view_averaged(
    kind: str, imagebind: ImageBind, weights: dict[str, Tensor]
) -> None:
    tower, shape, views = CASES[kind]
    media = torch.randn(2, *shape, generator=torch.Generator().manual_seed(1)) / 50  # so quiet that a norm's epsilon counts
    tokens = [torch.stack([media_reference(view, weights, tower) for view in views(medium)]) for medium in media]
    projection = weights[f"modality_heads.{tower}.2.weight"]
    expected = torch.stack([unit(views[:, 0] @ projection.T).mean(0) for views in tokens])
    # float32 over two blocks, reckoned in another order: about 1e-6; any part that is left out changes the first decimals
    torch.testing.assert_close(imagebind.encode_media(media, kind), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(imagebind.media_tokens(media, kind), torch.stack([v.mean(0) for v in tokens]), atol=5e-5, rtol=0)


@torch.inference_mode()
def test_captions_of_clips_tokenizer_are_read_as_plain_arithmetic_reads_them(
    imagebind: ImageBind, weights: dict[str, Tensor], tmp_path: Path
) -> None:
    letters = [*"abdglo", *(f"{letter}</w>" for letter in "abdglo")]
    words = [*letters, "do", "do g</w>".replace(" ", ""), "<|startoftext|>", "<|endoftext|>"]
    (tmp_path / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (tmp_path / "merges.txt").write_text("#version: 0.2\nd o\ndo g</w>\n")
    start, end = words.index("<|startoftext|>"), words.index("<|endoftext|>")
    captions = {"A  DOG": [start, 6, 13, end], "lo": [start, 4, 11, end], "a " * 20: [start, *[6] * 7, end]}

    front = f"modality_preprocessors.{TEXT}."
    expected = []
    for ids in captions.values():
        padded = ids + [0] * (9 - len(ids))  # the published tokenizer pads with zeros, and its end token is the highest number
        tokens = weights[front + "token_embedding.weight"][padded] + weights[front + "pos_embed"][0]
        features = trunk(tokens, weights, TEXT)[torch.tensor(padded).argmax()]
        expected.append(
            unit(norm(features, weights, "modality_heads.text.proj.0") @ weights["modality_heads.text.proj.1.weight"].T)
        )
    found = encoded_captions(imagebind, CLIPTokenizer.from_pretrained(tmp_path), list(captions))
    torch.testing.assert_close(found, torch.stack(expected), atol=1e-5, rtol=0)


def test_written_to_a_folder_it_comes_back_as_it_was(imagebind: ImageBind, tmp_path: Path) -> None:
    imagebind.save_pretrained(tmp_path, torch.float32)
    again = ImageBind.from_pretrained(tmp_path)
    assert again.config == CONFIG
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in imagebind.state_dict().items())
    clips = torch.randn(1, 2, 2, 3, 28, 28)
    assert torch.equal(imagebind.encode_media(clips, "video"), again.encode_media(clips, "video"))
    described = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(described | {"form": "large"}))
    with pytest.raises(SetupError, match="'large'. Known are small and published"):
        read_config(tmp_path)


def test_an_error_names_what_is_missing_left_over_and_of_another_shape(weights: dict[str, Tensor], tmp_path: Path) -> None:
    damaged = {name: tensor for name, tensor in weights.items() if ".audio.blocks.1." not in name}
    damaged |= {"modality_heads.smell.0.weight": torch.zeros(3), "modality_heads.text.proj.0.bias": torch.zeros(7)}
    torch.save(damaged, tmp_path / "damaged.pth")
    with pytest.raises(InputError) as caught:
        from_published(tmp_path / "damaged.pth", CONFIG)
    said = str(caught.value)
    assert "14 missing: modality_trunks.audio.blocks.1.attn.bias_k, " in said
    assert " and 9 more; 1 left over: modality_heads.smell.0.weight; " in said
    assert "1 of another shape: modality_heads.text.proj.0.bias ([7] instead of [24])." in said
    torch.save(weights, tmp_path / "narrow.pth")
    with pytest.raises(InputError, match="missing"):
        from_published(tmp_path / "narrow.pth", replace(CONFIG, trunks=CONFIG.trunks | {TEXT: Trunk(24, 3, 3)}))


@pytest.mark.parametrize("content", ["nothing", "text", "cut", "code", "list"])
def test_what_is_no_file_of_weights_is_refused_and_runs_nothing(content: str, weights: dict[str, Tensor], tmp_path: Path) -> None:
    path, touched = tmp_path / "imagebind_huge.pth", tmp_path / "touched"
    if content == "text":
        path.write_text("<html>404</html>")
    elif content == "cut":
        torch.save(weights, path)
        path.write_bytes(path.read_bytes()[:5000])
    elif content == "code":
        torch.save({"weight": _Code(touched)}, path)
    elif content == "list":
        torch.save([torch.zeros(2)], path)
    with pytest.raises(InputError, match="Accepted is the file imagebind_huge.pth"):
        from_published(path)
    assert not touched.exists()
    if content == "code":
        pickle.loads(pickle.dumps(_Code(touched)))
        assert touched.exists()  # it would have run


class _Code:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.path,)
