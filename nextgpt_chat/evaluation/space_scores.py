"""What a model makes beside what is real, in one embedding space: Fréchet distance, and similarity with captions.

FID, FAD and CLIPSIM of the papers are these measures in the spaces of Inception, VGGish and CLIP. Here the space is the model's own ImageBind, so
that nothing is downloaded; the numbers tell models with the same encoder apart, and are not those of the papers.
"""

import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance

from nextgpt_chat.evaluation.interval import Score, share


class _Given(nn.Module):
    """Stands where torchmetrics expects a network that makes features: they are made already."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        return features


def frechet_distance(real: Tensor, made: Tensor) -> float | None:
    """The squared Fréchet distance (Heusel et al., arXiv 1706.08500) between Gaussians fitted to two sets [N, E] and [M, E].

    None if one of them has fewer than two points. Few points make it larger: compare only where N and M are the same.
    """
    if min(len(real), len(made)) < 2:
        return None
    distance = FrechetInceptionDistance(_Given(real.shape[1]))
    distance.update(real.double(), real=True)
    distance.update(made.double(), real=False)
    return float(distance.compute())


def similarity(media: Tensor, captions: Tensor) -> Score | None:
    """The mean cosine between unit vectors [N, E] of media and of their captions, from -1 to 1; None if there is none.

    CLIPSIM (Wu et al., arXiv 2104.14806) in another space.
    """
    return share(torch.sum(media * captions, dim=1).tolist()) if len(media) else None
