"""The embedded model's encoder in half precision places captions, media and noise where it places them in full precision."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import AutoTokenizer

from nextgpt_chat.encode.imagebind import ImageBind
from nextgpt_chat.evaluation.embedding import encoded_captions, encoded_media, encoded_noise
from nextgpt_chat.evaluation.retrieval import recalls
from nextgpt_chat.media.content import ContentStore
from tests.conftest import CHECKPOINT, picture

KINDS = ("image", "video", "audio")


def points(imagebind: ImageBind, folder: Path) -> Tensor:
    tokenizer = AutoTokenizer.from_pretrained(CHECKPOINT / "llm", local_files_only=True)
    noise = [encoded_noise(imagebind, kind, 2, seed=1) for kind in KINDS]
    seen = encoded_media(imagebind, "image", [picture(ContentStore(folder))])
    return torch.cat([encoded_captions(imagebind, tokenizer, ["a small red bird", "two boats"]), seen, *noise])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_gives_much_the_same_points(dtype: torch.dtype, tmp_path: Path) -> None:
    whole, half = (ImageBind.from_pretrained(CHECKPOINT / "imagebind") for _ in range(2))
    found = points(half.to(dtype), tmp_path)
    assert (found.dtype, half.dtype) == (torch.float32, dtype)
    assert torch.cosine_similarity(found, points(whole, tmp_path)).min() > 0.99


def test_retrieval_is_measured_in_half_precision_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nextgpt_chat.evaluation.retrieval.GALLERIES", 1)
    tokenizer = AutoTokenizer.from_pretrained(CHECKPOINT / "llm", local_files_only=True)
    half = ImageBind.from_pretrained(CHECKPOINT / "imagebind").to(torch.bfloat16)
    found = recalls(half, tokenizer, ("image",), 1)
    assert found["text image"].value > 0.3  # guessing finds 1 of 48
