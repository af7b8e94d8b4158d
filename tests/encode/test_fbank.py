import numpy as np
import torch

from nextgpt_chat.encode.fbank import FLOOR, fbank
from tests.encode.reference import imagebind_reference
from tests.encode.reference.media import sound


def test_it_is_kaldis_as_torchaudio_reckons_it() -> None:
    found = fbank(torch.from_numpy(sound(4000)), 128)
    # Both reckon in float32, whose rounding of a loud bin (1e-7 of its energy) is heard in a quiet one beside it: of such a chirp torchaudio is up to
    # 2e-2 from itself in float64. So a single value may be 1e-2 away, a hundredth of its energy, but the mean must be near.
    assert_near(found, torch.from_numpy(imagebind_reference("fbank")))


def assert_near(found: torch.Tensor, expected: torch.Tensor) -> None:
    """Of log-mel energies in units of the natural logarithm."""
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < 1e-2
    assert (found - expected).abs().mean() < 5e-4


def test_only_whole_frames_are_heard_and_silence_has_a_floor() -> None:
    lengths = {0: 0, 399: 0, 400: 1, 559: 1, 560: 2, 32_000: 198}
    assert {length: len(fbank(torch.zeros(length), 40)) for length in lengths} == lengths
    assert fbank(torch.zeros(400), 40).shape == (1, 40)
    assert torch.allclose(fbank(torch.ones(800), 40), torch.tensor(np.log(FLOOR)).float())  # what stands still is not heard
