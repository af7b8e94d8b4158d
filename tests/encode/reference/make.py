"""Makes `imagebind.npz`: what the libraries that ImageBind itself uses make of the media of `media.py`.

Not part of the tests, which read the file. It runs in an environment of its own, in which torchaudio, torchvision, pytorchvideo and
imagebind-packaged can be imported:

    python -m tests.encode.reference.make

The file was made with torchaudio 2.11.0, torchvision 0.28.0, imagebind-packaged 0.1.2 and pytorchvideo 0.1.5, in whose
`ConstantClipsPerVideoSampler` one line was made that of its repository: the room is divided by `max(clips_per_video - 1, 1)`.
"""

import tempfile
from pathlib import Path

import numpy as np
import soundfile
import torch
import torchaudio
from imagebind import data
from PIL import Image
from pytorchvideo.data.clip_sampling import ConstantClipsPerVideoSampler
from pytorchvideo.transforms import ShortSideScale
from torchvision import transforms
from torchvision.transforms._transforms_video import NormalizeVideo

from tests.encode.reference.media import CLIPS, PICTURES, picture, sound

TARGET = Path(__file__).with_name("imagebind.npz")
MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def fbank() -> np.ndarray:
    """Of a quarter of a second, [23, 128], with the options that `data.py` gives."""
    return torchaudio.compliance.kaldi.fbank(
        torch.from_numpy(sound(4000))[None],
        htk_compat=True,
        sample_frequency=16_000,
        use_energy=False,
        window_type="hanning",
        num_mel_bins=128,
        dither=0.0,
        frame_length=25,
        frame_shift=10,
    ).numpy()


def heard(folder: Path) -> np.ndarray:
    """Of three seconds, every fifth frame and every fourth bin of the three stretches, [3, 41, 32]."""
    path = folder / "sound.wav"
    soundfile.write(path, sound(48_000), 16_000, subtype="FLOAT")
    return data.load_and_transform_audio_data([str(path)], "cpu")[0, :, 0].mT[:, ::5, ::4].numpy()


def images() -> dict[str, np.ndarray]:
    """Two pictures, one lying and one standing, [3, 28, 28]; `data.py` does the same with 224."""
    prepare = transforms.Compose(
        [
            transforms.Resize(28, interpolation=transforms.InterpolationMode.BICUBIC),
            transforms.CenterCrop(28),
            transforms.ToTensor(),
            transforms.Normalize(mean=MEAN, std=DEVIATION),
        ]
    )
    return {f"image {h}x{w}": prepare(Image.fromarray(picture(h, w))).numpy() for h, w in PICTURES}


def clips() -> dict[str, np.ndarray]:
    """Two stretches of two frames, lying and standing, in three places each, [6, 2, 3, 14, 14]; `data.py` does the same with 224."""
    prepare = transforms.Compose([ShortSideScale(14), NormalizeVideo(mean=MEAN, std=DEVIATION)])
    found = {}
    for height, width in ((30, 47), (44, 29)):
        frames = torch.from_numpy(np.stack([picture(height, width, shift) for shift in range(4)])).permute(3, 0, 1, 2).float() / 255
        stretches = [prepare(stretch) for stretch in frames.split(2, dim=1)]
        found[f"clip {height}x{width}"] = torch.stack(data.SpatialCrop(14, num_crops=3)(stretches)).transpose(1, 2).numpy()
    return found


def seen(count: int, rate: float) -> np.ndarray:
    """The numbers of the frames that are seen of a clip, by the sampler of pytorchvideo and its arithmetic for decord, [10]."""
    sampler, numbers = ConstantClipsPerVideoSampler(clip_duration=2, clips_per_video=5), []
    for start, end in data.get_clip_timepoints(sampler, count / rate):
        first, last = int(np.ceil(rate * start)), min(int(np.ceil(rate * end)), count) - 1
        numbers += [first, last]
    return np.array(numbers)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        arrays = {"fbank": fbank(), "heard": heard(Path(folder)), **images(), **clips()}
    arrays |= {f"seen {count} at {rate}": seen(count, rate) for count, rate in CLIPS}
    np.savez_compressed(TARGET, **arrays)
