"""Distances and similarities against values worked out by hand."""

import pytest
import torch

from nextgpt_chat.evaluation.space_scores import frechet_distance, similarity


def test_the_frechet_distance_of_two_gaussians() -> None:
    # Variances 2 and 8 around 0 and 3: 3² + (√8 - √2)² = 9 + 2.
    assert frechet_distance(torch.tensor([[-1.0], [1.0]]), torch.tensor([[1.0], [5.0]])) == pytest.approx(11)
    points = torch.randn(50, 8, generator=torch.Generator().manual_seed(1))
    assert frechet_distance(points, points) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(points, points + torch.tensor([2.0] + [0.0] * 7)) == pytest.approx(4, abs=1e-5)


def test_fewer_points_than_dimensions_have_a_distance_and_one_point_has_none() -> None:
    few = torch.eye(8)[:3]
    assert frechet_distance(few, few) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(few, few[:1]) is None


def test_similarity_is_the_mean_cosine() -> None:
    media, captions = torch.eye(2), torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    found = similarity(media, captions)
    assert found is not None
    assert (found.value, found.count) == (pytest.approx(0.9), 2)
    assert similarity(media[:0], captions[:0]) is None
