"""The same architecture before any training."""

import torch

from nextgpt_chat.pipeline import Pipeline


def randomise(pipeline: Pipeline, seed: int) -> None:
    """Gives every trained part fresh random weights: what is left is the architecture."""
    torch.manual_seed(seed)
    parts = [pipeline.imagebind, pipeline.encoder.projection, pipeline.language_model.model, pipeline.output_projections]
    for decoder in pipeline.decoders.values():
        parts += [decoder.pipeline.unet, decoder.pipeline.vae]
    for part in parts:
        for parameter in part.parameters():
            torch.nn.init.normal_(parameter, std=0.02)
