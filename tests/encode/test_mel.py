import numpy as np
import pytest
import torch

from nextgpt_chat.encode.mel import BINS, FLOOR, HOP, RATE, log_mel


def test_one_frame_for_every_256_samples_and_a_floor_under_silence() -> None:
    mel = log_mel(torch.zeros(2, 128 * HOP))
    assert mel.shape == (2, 128, BINS)
    assert torch.allclose(mel, torch.tensor(FLOOR).log())


@pytest.mark.parametrize(("low", "high"), [(200.0, 400.0), (1000.0, 2000.0), (3000.0, 6000.0)])
def test_a_higher_tone_lies_in_a_higher_bin(low: float, high: float) -> None:
    time = torch.arange(RATE) / RATE
    peaks = [int(log_mel(torch.sin(2 * np.pi * hertz * time)[None])[0, 20].argmax()) for hertz in (low, high)]
    assert peaks[0] < peaks[1]


def test_twice_as_loud_is_more_by_the_logarithm_of_two() -> None:
    samples = torch.randn(1, 8 * HOP, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(log_mel(2 * samples) - log_mel(samples), torch.tensor(2.0).log(), atol=1e-4)
