"""Pipelines of Diffusers' own classes, small and with random weights, saved as the hub serves them."""

import json
from collections.abc import Callable
from pathlib import Path

import torch
from diffusers import (
    AudioLDM2Pipeline,
    AudioLDM2ProjectionModel,
    AudioLDM2UNet2DConditionModel,
    AutoencoderKL,
    AutoencoderKLCogVideoX,
    AutoencoderKLLTXVideo,
    AutoencoderKLWan,
    AutoencoderOobleck,
    CogVideoXDDIMScheduler,
    CogVideoXPipeline,
    CogVideoXTransformer3DModel,
    CosineDPMSolverMultistepScheduler,
    DDIMScheduler,
    DiffusionPipeline,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    LTXPipeline,
    LTXVideoTransformer3DModel,
    SD3Transformer2DModel,
    StableAudioDiTModel,
    StableAudioPipeline,
    StableAudioProjectionModel,
    StableDiffusion3Pipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
    WanPipeline,
    WanTransformer3DModel,
)
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    ClapAudioConfig,
    ClapConfig,
    ClapFeatureExtractor,
    ClapModel,
    ClapTextConfig,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    GPT2Config,
    GPT2Model,
    PreTrainedTokenizerFast,
    RobertaTokenizer,
    SpeechT5HifiGan,
    SpeechT5HifiGanConfig,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

PLACES = 16
"""Tokens that a small text encoder reads."""


def tokenizer() -> PreTrainedTokenizerFast:
    """Bytes, so that every caption has tokens of its own."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = {token: number for number, token in enumerate(["<pad>", "<s>", "</s>", *alphabet])}
    backend = Tokenizer(models.BPE(words, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    made = PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", bos_token="<s>", eos_token="</s>", unk_token="<pad>"
    )
    made.model_max_length = PLACES
    return made


def _clip(projected: bool) -> CLIPTextModel | CLIPTextModelWithProjection:
    config = CLIPTextConfig(
        vocab_size=300,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=PLACES,
        projection_dim=16,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    return CLIPTextModelWithProjection(config) if projected else CLIPTextModel(config)


def _t5(width: int) -> T5EncoderModel:
    return T5EncoderModel(T5Config(vocab_size=300, d_model=width, d_kv=8, d_ff=16, num_layers=1, num_heads=2))


def _roberta() -> RobertaTokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = {token: number for number, token in enumerate(["<s>", "<pad>", "</s>", "<unk>", "<mask>", *alphabet])}
    return RobertaTokenizer(vocab=words, merges=[], model_max_length=PLACES)


def _t5_tokenizer() -> T5Tokenizer:
    words = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -1.0), *((chr(c), -2.0) for c in range(97, 123))]
    return T5Tokenizer(vocab=words, extra_ids=0, model_max_length=PLACES)


def _vae(channels: int = 3, latent: int = 4) -> AutoencoderKL:
    return AutoencoderKL(
        in_channels=channels,
        out_channels=channels,
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=latent,
        norm_num_groups=4,
        shift_factor=0.0,
        sample_size=32,
    )


def sdxl() -> StableDiffusionXLPipeline:
    unet = UNet2DConditionModel(
        block_out_channels=(8, 16),
        layers_per_block=1,
        sample_size=16,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(2, 4),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        transformer_layers_per_block=(1, 1),
        projection_class_embeddings_input_dim=16 + 6 * 8,
        cross_attention_dim=32,
        norm_num_groups=4,
    )
    return StableDiffusionXLPipeline(
        vae=_vae(),
        text_encoder=_clip(False),
        text_encoder_2=_clip(True),
        tokenizer=tokenizer(),
        tokenizer_2=tokenizer(),
        unet=unet,
        scheduler=EulerDiscreteScheduler(timestep_spacing="leading", steps_offset=1),
    )


def sd3() -> StableDiffusion3Pipeline:
    transformer = SD3Transformer2DModel(
        sample_size=16,
        patch_size=1,
        in_channels=4,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=4,
        joint_attention_dim=32,
        caption_projection_dim=32,
        pooled_projection_dim=32,
        out_channels=4,
    )
    return StableDiffusion3Pipeline(
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=_vae(),
        text_encoder=_clip(True),
        tokenizer=tokenizer(),
        text_encoder_2=_clip(True),
        tokenizer_2=tokenizer(),
        text_encoder_3=_t5(32),
        tokenizer_3=tokenizer(),
    )


def wan() -> WanPipeline:
    return WanPipeline(
        transformer=WanTransformer3DModel(
            patch_size=(1, 2, 2),
            num_attention_heads=2,
            attention_head_dim=12,
            in_channels=16,
            out_channels=16,
            text_dim=32,
            freq_dim=64,
            ffn_dim=32,
            num_layers=1,
            cross_attn_norm=True,
            qk_norm="rms_norm_across_heads",
            rope_max_seq_len=32,
        ),
        vae=AutoencoderKLWan(
            base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=7.0),
        text_encoder=_t5(32),
        tokenizer=tokenizer(),
    )


def ltx() -> LTXPipeline:
    return LTXPipeline(
        transformer=LTXVideoTransformer3DModel(
            in_channels=8,
            out_channels=8,
            patch_size=1,
            patch_size_t=1,
            num_attention_heads=4,
            attention_head_dim=8,
            cross_attention_dim=32,
            num_layers=1,
            caption_channels=32,
        ),
        vae=AutoencoderKLLTXVideo(
            in_channels=3,
            out_channels=3,
            latent_channels=8,
            block_out_channels=(8, 8, 8, 8),
            decoder_block_out_channels=(8, 8, 8, 8),
            layers_per_block=(1, 1, 1, 1, 1),
            decoder_layers_per_block=(1, 1, 1, 1, 1),
            spatio_temporal_scaling=(True, True, False, False),
            decoder_spatio_temporal_scaling=(True, True, False, False),
            decoder_inject_noise=(False, False, False, False, False),
            upsample_residual=(False, False, False, False),
            upsample_factor=(1, 1, 1, 1),
            timestep_conditioning=False,
            patch_size=1,
            patch_size_t=1,
            encoder_causal=True,
            decoder_causal=False,
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(),
        text_encoder=_t5(32),
        tokenizer=tokenizer(),
    )


def audioldm2() -> AudioLDM2Pipeline:
    text = ClapTextConfig(
        vocab_size=300,
        hidden_size=8,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        projection_dim=16,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        max_position_embeddings=PLACES + 2,
    )
    audio = ClapAudioConfig(
        spec_size=8,
        window_size=4,
        num_mel_bins=8,
        depths=[1, 1],
        num_attention_heads=[1, 1],
        num_hidden_layers=2,
        hidden_size=96,
        patch_embeds_hidden_size=8,
        projection_dim=16,
        patch_size=2,
        patch_stride=2,
        patch_embed_input_channels=4,
    )
    return AudioLDM2Pipeline(
        vae=_vae(1),
        text_encoder=ClapModel(ClapConfig(text_config=text.to_dict(), audio_config=audio.to_dict(), projection_dim=16)),
        text_encoder_2=_t5(32),
        projection_model=AudioLDM2ProjectionModel(text_encoder_dim=16, text_encoder_1_dim=32, langauge_model_dim=16),
        language_model=GPT2Model(  # as it was published
            GPT2Config(
                vocab_size=300, n_embd=16, n_layer=1, n_head=2, n_positions=128, max_new_tokens=8, bos_token_id=1, eos_token_id=2
            )
        ),
        tokenizer=_roberta(),
        tokenizer_2=_t5_tokenizer(),
        feature_extractor=ClapFeatureExtractor(),
        unet=AudioLDM2UNet2DConditionModel(
            block_out_channels=(8, 16),
            layers_per_block=1,
            norm_num_groups=8,
            sample_size=16,
            in_channels=4,
            out_channels=4,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=([None, 16, 32], [None, 16, 32]),
        ),
        scheduler=DDIMScheduler(clip_sample=False),
        vocoder=SpeechT5HifiGan(
            SpeechT5HifiGanConfig(
                model_in_dim=8,
                sampling_rate=16_000,
                upsample_initial_channel=64,
                upsample_rates=[5, 4, 2, 2, 2],
                upsample_kernel_sizes=[10, 8, 4, 4, 4],
                resblock_kernel_sizes=[3],
                resblock_dilation_sizes=[[1, 3]],
                normalize_before=False,
            )
        ),
    )


def stable_audio() -> StableAudioPipeline:
    return StableAudioPipeline(
        transformer=StableAudioDiTModel(
            sample_size=400,
            in_channels=3,
            num_layers=2,
            attention_head_dim=4,
            num_key_value_attention_heads=2,
            out_channels=3,
            cross_attention_dim=4,
            time_proj_dim=8,
            global_states_input_dim=8,
            cross_attention_input_dim=4,
            num_attention_heads=2,
        ),
        scheduler=CosineDPMSolverMultistepScheduler(
            solver_order=2, prediction_type="v_prediction", sigma_data=1.0, sigma_schedule="exponential"
        ),
        vae=AutoencoderOobleck(
            encoder_hidden_size=6,
            downsampling_ratios=[4, 5],
            decoder_channels=3,
            decoder_input_channels=3,
            audio_channels=2,
            channel_multiples=[2, 4],
            sampling_rate=8_000,
        ),
        text_encoder=_t5(4),
        tokenizer=tokenizer(),
        projection_model=StableAudioProjectionModel(text_encoder_dim=4, conditioning_dim=4, min_value=0, max_value=32),
    )


def flux() -> FluxPipeline:
    return FluxPipeline(
        transformer=FluxTransformer2DModel(
            patch_size=1,
            in_channels=4,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=32,
            pooled_projection_dim=16,
            axes_dims_rope=(4, 4, 8),
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=_vae(latent=1),
        text_encoder=_clip(False),
        tokenizer=tokenizer(),
        text_encoder_2=_t5(32),
        tokenizer_2=tokenizer(),
    )


def cogvideox() -> CogVideoXPipeline:
    return CogVideoXPipeline(
        transformer=CogVideoXTransformer3DModel(
            num_attention_heads=4,
            attention_head_dim=8,
            in_channels=4,
            out_channels=4,
            time_embed_dim=2,
            text_embed_dim=32,
            num_layers=1,
            sample_width=4,
            sample_height=4,
            sample_frames=9,
        ),
        vae=AutoencoderKLCogVideoX(
            down_block_types=("CogVideoXDownBlock3D",) * 4,
            up_block_types=("CogVideoXUpBlock3D",) * 4,
            block_out_channels=(8, 8, 8, 8),
            latent_channels=4,
            layers_per_block=1,
            norm_num_groups=2,
        ),
        scheduler=CogVideoXDDIMScheduler(),
        text_encoder=_t5(32),
        tokenizer=tokenizer(),
    )


BY_CAPTIONS: dict[str, Callable[[], DiffusionPipeline]] = {"FluxPipeline": flux, "CogVideoXPipeline": cogvideox}
"""Those of which nothing is known here but their signatures."""
PIPELINES: dict[str, Callable[[], DiffusionPipeline]] = {
    "StableDiffusionXLPipeline": sdxl,
    "StableDiffusion3Pipeline": sd3,
    "LTXPipeline": ltx,
    "WanPipeline": wan,
    "AudioLDM2Pipeline": audioldm2,
    "StableAudioPipeline": stable_audio,
}
"""By the names of the classes."""


def save(name: str, folder: Path) -> None:
    """A pipeline of that class, always with the same weights, in `folder`."""
    torch.manual_seed(5)
    (PIPELINES | BY_CAPTIONS)[name]().save_pretrained(folder)
    assert json.loads((folder / "model_index.json").read_text(encoding="utf-8"))["_class_name"] == name
