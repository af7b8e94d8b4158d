"""The last step of the recipe: trained parts become a checkpoint folder in half precision."""

import json
import shutil
from pathlib import Path

import torch
from diffusers import AudioLDMPipeline, DiffusionPipeline, StableDiffusionPipeline, TextToVideoSDPipeline
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, LlamaForCausalLM

from nextgpt_chat.encode.imagebind import ImageBind
from nextgpt_chat.tinyland.film import FRAME_RATE, FRAMES
from nextgpt_chat.tinyland.play import RATE, SAMPLES
from nextgpt_chat.training.alignment import INPUT_TOKENS, PROJECTION, QUERIES
from nextgpt_chat.training.base_parts.tokenizer import SIGNALS

DESCRIPTION = {
    "format": 1,
    "name": "tinyland",
    "title": "Tinyland",
    "knows": "A small model trained from nothing that sees, hears, draws, films and talks about one small world: birds, cars, bells, "
    "drums, clouds, clocks, dogs and boats in eight colours.",
    "examples": [
        "Draw two small red birds on the left at night",
        "Make a clip of a big purple boat moving left, with sound",
        "Let me hear three small dogs",
        "What can you do?",
        "A photo of Paris, please",
    ],
    "follow_ups": {
        "image": ["Make it blue", "Animate it", "What does it sound like?"],
        "video": ["Make it red", "What does it sound like?"],
        "audio": ["What made this sound? Show me", "Make it two", "How many are there?"],
    },
    "inputs": ["text", "image", "video", "audio"],
    "outputs": ["text", "image", "video", "audio"],
    "context": 384,
}
BOUNDS = {"steps": 20, "max_steps": 50, "guidance": 2.5, "max_guidance": 8.0, "memory": 0.1}
DECODING = {
    "image": {**BOUNDS, "size": 80, "strength": 0.6},
    "video": {
        **BOUNDS,
        "size": 80,
        "frames": FRAMES,
        "min_frames": 4,
        "max_frames": 12,
        "frame_rate": FRAME_RATE,
        "first_frame": True,
        "strength": 0.3,
    },
    "audio": {**BOUNDS, "guidance": 1.5, "seconds": SAMPLES / RATE, "strength": 0.6},
}
DECODERS: dict[str, type[DiffusionPipeline]] = {
    "image": StableDiffusionPipeline,
    "video": TextToVideoSDPipeline,
    "audio": AudioLDMPipeline,
}


def run(parts: Path, out: Path) -> None:
    """Writes the checkpoint folder `out` from the parts of a finished run; a model card that is there already stays."""
    out.mkdir(parents=True, exist_ok=True)
    for name in ("imagebind", "llm", "lora", *(f"{kind}_decoder" for kind in DECODERS)):
        shutil.rmtree(out / name, ignore_errors=True)
    imagebind = ImageBind.from_pretrained(parts / "imagebind")
    imagebind.save_pretrained(out / "imagebind")
    LlamaForCausalLM.from_pretrained(parts / "stage2" / "llm").half().save_pretrained(out / "llm")
    AutoTokenizer.from_pretrained(parts / "tokenizer").save_pretrained(out / "llm")
    for kind, decoder in DECODERS.items():
        pipeline = decoder.from_pretrained(parts / f"{kind}_decoder", **({"safety_checker": None} if kind == "image" else {}))
        pipeline.to(torch.float16).save_pretrained(out / f"{kind}_decoder")
    shutil.copytree(parts / "stage3" / "lora", out / "lora", ignore=shutil.ignore_patterns("README.md"))
    for path in (out / "lora" / "adapter_model.safetensors",):
        _halve(path, path)
    adapter = out / "lora" / "adapter_config.json"
    described = json.loads(adapter.read_text(encoding="utf-8"))
    described["base_model_name_or_path"] = "../llm"
    adapter.write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
    for name in ("input_projection", "output_projections"):
        _halve(parts / "stage3" / f"{name}.safetensors", out / f"{name}.safetensors")
    description = {
        **DESCRIPTION,
        "input_tokens": INPUT_TOKENS,
        "signals": {
            kind: {"prefix": prefix, "count": count, "queries": QUERIES[kind][0], "width": QUERIES[kind][1]}
            for kind, (prefix, count) in SIGNALS.items()
        },
        "projection": PROJECTION,
        "decoding": DECODING,
    }
    (out / "nextgpt.json").write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
    for kind in DECODERS:
        for path in (out / f"{kind}_decoder").rglob("*.json"):
            _forget_origin(path)


def _forget_origin(path: Path) -> None:
    """Takes the folder of the run out of a configuration: it is a place on somebody's machine."""
    described = json.loads(path.read_text(encoding="utf-8"))
    if described.pop("_name_or_path", None):
        path.write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")


def _halve(source: Path, target: Path) -> None:
    weights = {name: tensor.half().contiguous() for name, tensor in load_file(source).items()}
    save_file(weights, target, metadata={"format": "pt"})
