"""What the parts of NExT-GPT 7B and the decoders of the presets take while they compute, at true size, without weights and without a GPU.

    python benchmarks/memory_at_true_size.py

Every part is built from its configuration with fake tensors, which have shapes and no values, and runs once on the largest input that it gets when
serving, in half precision unless it says otherwise. Counted is what is alive at the worst moment beside weights, inputs and the cache. Attention is
taken for a fused kernel, as GPUs have it, which leaves no matrix behind. What CUDA and its libraries keep for themselves is not in it, and neither is
what the allocator leaves unused.
"""

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from diffusers import (
    AudioLDM2UNet2DConditionModel,
    AutoencoderKL,
    AutoencoderKLLTXVideo,
    AutoencoderKLWan,
    AutoencoderOobleck,
    LTXVideoTransformer3DModel,
    SD3Transformer2DModel,
    StableAudioDiTModel,
    UNet2DConditionModel,
    UNet3DConditionModel,
    WanTransformer3DModel,
)
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM, SpeechT5HifiGan, SpeechT5HifiGanConfig

from nextgpt_chat.encode.imagebind import ImageBind
from nextgpt_chat.encode.published_imagebind import IMAGEBIND_HUGE
from nextgpt_chat.generate.decoding import save_memory

CONTEXT = 2048
"""Embeddings that the language model reads at once."""
LATENTS = {"image": (2, 4, 64, 64), "video": (2, 4, 32, 40, 72), "audio": (2, 8, 225, 16)}
"""Of a picture of 512 by 512, of 32 frames of 576 by 320, of 9 s of sound; with and without the prompt."""
Shapes = Sequence[tuple[int, ...]]


class Alive(TorchDispatchMode):
    """Bytes of tensors that are alive, and how many there were at the worst moment. Those of `known` are not counted."""

    def __init__(self, known: Sequence[Tensor]) -> None:
        super().__init__()
        self.now = self.peak = 0
        self.counted = {tensor.untyped_storage()._cdata: 0 for tensor in known}

    def __torch_dispatch__(self, operation: Any, _types: Any, args: Any = (), named: Mapping[str, Any] | None = None) -> Any:
        made = operation(*args, **(named or {}))
        tree_map_only(Tensor, self._count, made)
        return made

    def _count(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if (key := storage._cdata) not in self.counted:
            self.counted[key] = storage.nbytes()
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._gone, key)

    def _gone(self, key: int) -> None:
        self.now -= self.counted.pop(key, 0)


def fake(module: nn.Module, dtype: torch.dtype) -> None:
    """Gives a module on the `meta` device fake weights."""
    for part in module.modules():
        for kept, tensors in ((True, part._parameters), (False, part._buffers)):
            for name, tensor in list(tensors.items()):
                if tensor is not None:
                    made = torch.empty(tensor.shape, dtype=dtype if tensor.is_floating_point() else tensor.dtype)
                    tensors[name] = nn.Parameter(made, requires_grad=False) if kept else made  # type: ignore[assignment]


@contextmanager
def fused() -> Iterator[None]:
    """Attention that writes its result and nothing else."""
    own = functional.scaled_dot_product_attention
    functional.scaled_dot_product_attention = lambda query, *_, **__: torch.empty_like(query)  # type: ignore[assignment]
    try:
        yield
    finally:
        functional.scaled_dot_product_attention = own


def peak(
    build: Callable[[], nn.Module], shapes: Shapes, run: Callable[..., object], dtype: torch.dtype = torch.half
) -> tuple[int, int]:
    """Parameters of what `build` makes, and bytes at the worst moment of `run` with it and inputs of these shapes."""
    with torch.device("meta"):
        module = build().eval()
    with FakeTensorMode(), torch.no_grad(), fused():
        fake(module, dtype)
        inputs = [torch.empty(shape, dtype=dtype) for shape in shapes]
        with Alive([*module.parameters(), *module.buffers(), *inputs]) as alive:
            run(module, *inputs)
    return sum(parameter.numel() for parameter in module.parameters()), alive.peak


def unet(**shape: Any) -> Callable[[], nn.Module]:
    return lambda: UNet2DConditionModel(**shape)


def vae(blocks: tuple[int, ...], channels: int, latents: int, size: int = 512) -> Callable[[], nn.Module]:
    down, up = ("DownEncoderBlock2D",) * len(blocks), ("UpDecoderBlock2D",) * len(blocks)
    return lambda: AutoencoderKL(
        in_channels=channels,
        out_channels=channels,
        block_out_channels=blocks,
        down_block_types=down,
        up_block_types=up,
        layers_per_block=2,
        latent_channels=latents,
        sample_size=size,
    )


WIDE = (256, 512, 768, 1280)
CROSS = "CrossAttnDownBlock2D", "CrossAttnUpBlock2D"
SOUND = {
    "in_channels": 8,
    "out_channels": 8,
    "block_out_channels": WIDE,
    "cross_attention_dim": WIDE,
    "class_embed_type": "simple_projection",
    "class_embeddings_concat": True,
    "projection_class_embeddings_input_dim": 512,
    "down_block_types": ("DownBlock2D", *CROSS[:1] * 3),
    "up_block_types": (*CROSS[1:] * 3, "UpBlock2D"),
}
VOCODER = SpeechT5HifiGanConfig(
    model_in_dim=64,
    upsample_initial_channel=1024,
    upsample_rates=[5, 4, 2, 2, 2],
    upsample_kernel_sizes=[16, 16, 8, 4, 4],
    resblock_kernel_sizes=[3, 7, 11],
    resblock_dilation_sizes=[[1, 3, 5]] * 3,
)
PICTURES, SOUNDS = (128, 256, 512, 512), (128, 256, 512)
SDXL = {
    "sample_size": 128,
    "cross_attention_dim": 2048,
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", *CROSS[:1] * 2),
    "up_block_types": (*CROSS[1:] * 2, "UpBlock2D"),
    "transformer_layers_per_block": [1, 2, 10],
    "attention_head_dim": [5, 10, 20],
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
    "use_linear_projection": True,
}
SD35 = {
    "sample_size": 128,
    "num_layers": 24,
    "num_attention_heads": 24,
    "caption_projection_dim": 1536,
    "pos_embed_max_size": 384,
    "dual_attention_layers": tuple(range(13)),
    "qk_norm": "rms_norm",
}
QWEN = {
    "vocab_size": 152_064,
    "hidden_size": 3584,
    "intermediate_size": 18_944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "max_position_embeddings": 32_768,
}
WORDS = [None, 768, 1024]
AUDIOLDM2 = {
    "in_channels": 8,
    "out_channels": 8,
    "block_out_channels": (128, 256, 384, 640),
    "cross_attention_dim": [WORDS] * 4,
    "down_block_types": ("DownBlock2D", *CROSS[:1] * 3),
    "up_block_types": (*CROSS[1:] * 3, "UpBlock2D"),
}
PARTS: dict[str, tuple[Any, ...]] = {
    "encoder, a clip in 15 views": (
        lambda: ImageBind(IMAGEBIND_HUGE),
        [(1, 15, 2, 3, 224, 224)],
        lambda model, clip: model.encode_media(clip, "video"),
    ),
    "encoder, a sound in 3 views": (
        lambda: ImageBind(IMAGEBIND_HUGE),
        [(1, 3, 204, 128)],
        lambda model, sound: model.encode_media(sound, "audio"),
    ),
    f"language model, {CONTEXT} embeddings at once": (
        lambda: LlamaForCausalLM(LlamaConfig(vocab_size=32_038, max_position_embeddings=CONTEXT)),
        [(1, CONTEXT, 4096)],
        lambda model, read: model.lm_head(model.model(inputs_embeds=read, use_cache=False).last_hidden_state[:, -1]),
    ),
    "Qwen2.5 7B, 8192 embeddings at once": (
        lambda: Qwen2ForCausalLM(Qwen2Config(**QWEN)),
        [(1, 8192, 3584)],
        lambda model, read: model.lm_head(model.model(inputs_embeds=read, use_cache=False).last_hidden_state[:, -1]),
    ),
    "denoiser of pictures": (
        unet(cross_attention_dim=768, attention_head_dim=8, sample_size=64),
        [LATENTS["image"], (2, 77, 768)],
        lambda model, latents, prompt: model(latents, torch.zeros(()), prompt),
    ),
    "autoencoder of pictures": (vae(PICTURES, 3, 4), [(1, 4, 64, 64)], lambda model, latents: model.decode(latents)),
    "denoiser of clips": (
        lambda: UNet3DConditionModel(cross_attention_dim=1024, attention_head_dim=64, sample_size=32),
        [LATENTS["video"], (2, 77, 1024)],
        lambda model, latents, prompt: model(latents, torch.zeros(()), prompt),
    ),
    "autoencoder of clips, a frame at a time": (
        vae(PICTURES, 3, 4),
        [(32, 4, 40, 72)],
        lambda model, latents: decoded_frugally(model, latents),
    ),
    "denoiser of sounds": (
        unet(**SOUND),
        [LATENTS["audio"], (2, 512)],
        lambda model, latents, prompt: model(latents, torch.zeros(()), None, class_labels=prompt),
    ),
    "autoencoder of sounds": (vae(SOUNDS, 1, 8), [(1, 8, 225, 16)], lambda model, latents: model.decode(latents)),
    "vocoder": (lambda: SpeechT5HifiGan(VOCODER), [(1, 900, 64)], lambda model, mel: model(mel)),
    "SDXL, denoiser, 1024 by 1024": (
        unet(**SDXL),
        [(2, 4, 128, 128), (2, 77, 2048), (2, 1280), (2, 6)],
        lambda model, latents, words, pooled, size: model(
            latents, torch.zeros(()), words, added_cond_kwargs={"text_embeds": pooled, "time_ids": size}
        ),
    ),
    "SDXL, autoencoder": (vae(PICTURES, 3, 4, 1024), [(1, 4, 128, 128)], lambda model, latents: model.decode(latents)),
    "Stable Diffusion 3.5 medium, denoiser, 1024 by 1024": (
        lambda: SD3Transformer2DModel(**SD35),
        [(2, 16, 128, 128), (2, 333, 4096), (2, 2048)],
        lambda model, latents, words, pooled: model(latents, words, pooled, torch.zeros(2)),
    ),
    "Stable Diffusion 3.5, autoencoder": (
        vae(PICTURES, 3, 16, 1024),
        [(1, 16, 128, 128)],
        lambda model, latents: model.decode(latents),
    ),
    "LTX-Video, denoiser, 161 frames of 704 by 480": (
        LTXVideoTransformer3DModel,
        [(2, 21 * 15 * 22, 128), (2, 128, 4096)],
        lambda model, latents, words: model(
            latents, words, torch.zeros(2), torch.ones(2, 128), 21, 15, 22, rope_interpolation_scale=(8 / 24, 32, 32)
        ),
    ),
    "LTX-Video, autoencoder, in tiles": (
        AutoencoderKLLTXVideo,
        [(1, 128, 21, 15, 22)],
        lambda model, latents: decoded_frugally(model, latents, torch.zeros(1)),
    ),
    "Wan 2.1 1.3B, denoiser, 81 frames of 832 by 480": (
        lambda: WanTransformer3DModel(num_attention_heads=12, num_layers=30, ffn_dim=8960),
        [(1, 16, 21, 60, 104), (1, 512, 4096)],
        lambda model, latents, words: model(latents, torch.zeros(1), words),
    ),
    "Wan 2.1, autoencoder, in tiles": (
        AutoencoderKLWan,
        [(1, 16, 21, 60, 104)],
        lambda model, latents: decoded_frugally(model, latents),
    ),
    "AudioLDM 2, denoiser, 20 s": (
        lambda: AudioLDM2UNet2DConditionModel(**AUDIOLDM2),
        [(2, 8, 500, 16), (2, 8, 768), (2, 64, 1024)],
        lambda model, latents, generated, words: model(
            latents, torch.zeros(()), generated, encoder_hidden_states_1=words, encoder_attention_mask_1=torch.ones(2, 64)
        ),
    ),
    "AudioLDM 2, autoencoder, 20 s": (vae(SOUNDS, 1, 8), [(1, 8, 500, 16)], lambda model, latents: model.decode(latents)),
    "Stable Audio, denoiser, 47 s": (
        StableAudioDiTModel,
        [(2, 64, 1024), (2, 130, 768), (2, 1, 1536)],
        lambda model, latents, words, seconds: model(
            latents,
            torch.zeros(2),
            words,
            global_hidden_states=seconds,
            rotary_embedding=(torch.zeros(1025, 32), torch.zeros(1025, 32)),
        ),
    ),
    "Stable Audio, autoencoder, 47 s": (AutoencoderOobleck, [(1, 64, 1024)], lambda model, latents: model.decode(latents)),
}
"""By name: how a part is built, the shapes of its inputs, how it is run, and its precision if that is not half."""


def decoded_frugally(model: Any, *latents: Tensor) -> object:
    """Frame by frame and in tiles, as far as an autoencoder can."""
    save_memory(model, torch.device("cuda"))
    return model.decode(*latents)


def main() -> None:
    """Prints the table."""
    print("| part | parameters | GB to compute in |\n|---|---|---|")  # noqa: T201
    for name, part in PARTS.items():
        parameters, most = peak(*part)
        print(f"| {name} | {parameters:,} | {most / 10**9:.2f} |", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
