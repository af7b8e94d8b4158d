"""What tests of the stages share: parts of the right shapes that have learnt nothing but the tokenizer's words."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState
from transformers import AutoTokenizer

from nextgpt_chat.training.alignment import Alignment, Tools, load_tools, save_weights
from nextgpt_chat.training.base_parts import audio_diffusion, tokenizer
from nextgpt_chat.training.base_parts.imagebind import new_imagebind
from nextgpt_chat.training.base_parts.language_model import new_language_model


@pytest.fixture(autouse=True)
def fresh_accelerator() -> Iterator[None]:
    """Runs of one process share its precision; tests are runs of their own."""
    yield
    AcceleratorState._reset_state()


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What stage 3 begins from."""
    folder = tmp_path_factory.mktemp("parts")
    tokenizer.train(folder, folder, seed=7, scale=0.05)
    words = AutoTokenizer.from_pretrained(folder / "tokenizer")
    torch.manual_seed(0)
    new_imagebind(len(words)).save_pretrained(folder / "imagebind")
    audio_diffusion.new_text_encoder(words).save_pretrained(folder / "audio_decoder" / "text_encoder")
    model = Alignment(folder, new_language_model(len(words)), words)
    model.language_model.save_pretrained(folder / "stage2" / "llm")
    save_weights(model.input_projection, folder / "stage1" / "input_projection.safetensors")
    save_weights(model.output_projections, folder / "stage2" / "output_projections.safetensors")
    return folder


@pytest.fixture(scope="session")
def tools(parts: Path) -> Tools:
    return load_tools(parts)
