"""Attributes in pixels, by classical means: difference from the background, bounding boxes, colour votes, nearest templates.

The reader is calibrated on pictures whose scenes are known, and its own error is measured on others before it judges a model. It knows
nothing of how pictures are drawn.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from scipy import ndimage
from scipy.spatial.distance import cdist

from nextgpt_chat.tinyland.scene import Scene

THRESHOLD = 0.11
"""Difference from the background, as a share of full range, above which a pixel belongs to a thing."""
SMALLEST = 12
"""Pixels of the smallest group that is no speck."""
CROP = 20
"""Pixels, both ways, to which a thing is scaled before its shape is compared."""
NEIGHBOURS = 5
NEAR = 0.17
"""Distance in RGB, each channel from 0 to 1, within which a pixel counts as a paint."""
MEAN = 2.0
"""What a thing's mean colour weighs against the shares of paints in it."""


class PictureReader:
    """Reads all six attributes from a picture."""

    def __init__(self, pictures: Sequence[np.ndarray], scenes: Sequence[Scene]) -> None:
        """Calibrates on pictures uint8 [H, W, 3] of known scenes."""
        self._grounds = {
            time: np.median([picture for picture, scene in zip(pictures, scenes, strict=True) if scene.time == time], axis=0) / 255
            for time in ("day", "night")
        }
        profiles, layouts, crops, things = [], [], [], []
        paints: dict[str, list[np.ndarray]] = {}
        for picture, scene in zip(pictures, scenes, strict=True):
            image = picture / 255
            mask = self._mask(image, scene.time)
            profiles.append(_profile(mask))
            layouts.append((scene.size, scene.place, str(scene.count)))
            for crop in _crops(image, mask, scene.count):
                crops.append(_shape(crop))
                things.append(scene.thing)
                paints.setdefault(scene.colour, []).append(_vivid(crop))
        self._profiles, self._layouts = np.stack(profiles), layouts
        self._crops, self._things = np.stack(crops), things
        self._paints = {colour: _commonest(np.concatenate(values)) for colour, values in paints.items()}
        self._mixtures = np.stack([self._mixture(pixels) for values in paints.values() for pixels in values])
        self._colours = [colour for colour, values in paints.items() for _ in values]

    def read(self, picture: np.ndarray) -> dict[str, str]:
        """The attributes of a picture uint8 [H, W, 3]; what cannot be read is left out."""
        image = picture / 255
        time, mask = self.where(picture)
        found = {"time": time}
        if not mask.any():
            return found
        nearest = _nearest(_profile(mask), self._profiles)
        for i, name in enumerate(("size", "place", "count")):
            found[name] = _vote(self._layouts[n][i] for n in nearest)
        crops = _crops(image, mask, int(found["count"]))
        found["thing"] = _vote(self._things[n] for crop in crops for n in _nearest(_shape(crop), self._crops))
        mixtures = [self._mixture(_vivid(crop)) for crop in crops]
        colours = [self._colours[n] for mixture in mixtures if mixture.any() for n in _nearest(mixture, self._mixtures)]
        if colours:
            found["colour"] = _vote(colours)
        return found

    def where(self, picture: np.ndarray) -> tuple[str, np.ndarray]:
        """The time of a picture uint8 [H, W, 3], and where things are in it, bool [H, W]."""
        image = picture / 255
        time = min(self._grounds, key=lambda name: float(np.abs(np.median(image - self._grounds[name], axis=(0, 1))).sum()))
        return time, self._mask(image, time)

    def _mask(self, image: np.ndarray, time: str) -> np.ndarray:
        """Where things are, bool [H, W]; specks are dropped."""
        different = np.abs(image - self._grounds[time]).max(axis=2) > THRESHOLD
        labels, _ = ndimage.label(ndimage.binary_closing(different), structure=np.ones((3, 3)))
        sizes = np.bincount(labels.ravel(), weights=different.ravel())
        sizes[0] = 0  # the background
        mask: np.ndarray = sizes[labels] >= SMALLEST
        return mask

    def _mixture(self, pixels: np.ndarray) -> np.ndarray:
        """How much of a thing has which paint, and its mean colour, [paints + 3]; all zero for a thing without colour.

        Shaded parts of an orange thing look brown, so the whole mixture is compared; in a blurred one the mean tells more.
        """
        if not len(pixels):
            return np.zeros(len(self._paints) + 3)
        distances = np.linalg.norm(pixels[:, None] - np.stack(list(self._paints.values())), axis=2)
        near = distances.min(axis=1) < NEAR
        counts = np.bincount(distances.argmin(axis=1)[near if near.any() else ...], minlength=len(self._paints))
        return np.concatenate([counts / counts.sum(), MEAN * pixels.mean(axis=0)])


def _profile(mask: np.ndarray) -> np.ndarray:
    """Where the things lie: how full each row and each column is, and the box around them, as one vector."""
    rows, columns = mask.mean(axis=1), mask.mean(axis=0)
    blurred = [ndimage.gaussian_filter1d(values, 1.0) for values in (rows, columns)]
    return np.concatenate([*blurred, [mask.mean() * 4]])


def _crops(image: np.ndarray, mask: np.ndarray, count: int) -> list[np.ndarray]:
    """The things one by one, RGB and mask as [CROP, CROP, 4]: the box around all of them, cut into `count` pieces of equal height."""
    box = ndimage.find_objects(mask.astype(int))
    if not box:
        return []
    rows, columns = box[0]
    layers = np.dstack([image, mask])[rows, columns]
    pieces = [piece for piece in np.array_split(layers, count) if piece[..., 3].any()]
    return [_tight(piece) for piece in pieces]


def _tight(piece: np.ndarray) -> np.ndarray:
    rows, columns = ndimage.find_objects((piece[..., 3] > 0).astype(int))[0]
    piece = piece[rows, columns]
    scale = (CROP / piece.shape[0], CROP / piece.shape[1], 1)
    scaled: np.ndarray = ndimage.zoom(piece, scale, order=1, mode="nearest", grid_mode=True)
    return scaled


def _shape(crop: np.ndarray) -> np.ndarray:
    """Mask, saturation and darkness of a crop as one vector: its colour is not in it."""
    rgb, mask = crop[..., :3], crop[..., 3]
    saturation = rgb.max(axis=2) - rgb.min(axis=2)
    value = rgb.max(axis=2)
    parts = [mask, *((part - part.mean()) / (part.std() + 0.1) * 0.5 * mask for part in (saturation, value))]
    return np.concatenate([ndimage.gaussian_filter(part, 0.8).ravel() for part in parts])


def _vivid(crop: np.ndarray) -> np.ndarray:
    """The coloured pixels of a thing [N, 3]: outlines, whites and greys are left out."""
    pixels = crop[..., :3][crop[..., 3] > 0.9]
    return pixels[pixels.max(axis=1) - pixels.min(axis=1) > 0.2] if len(pixels) else pixels


def _commonest(pixels: np.ndarray) -> np.ndarray:
    """The mean of the fullest cell of a colour histogram with 12 steps a channel."""
    cells = (pixels * 11.99).astype(int)
    fullest = Counter(map(tuple, cells)).most_common(1)[0][0]
    paint: np.ndarray = pixels[(cells == fullest).all(axis=1)].mean(axis=0)
    return paint


def _nearest(vector: np.ndarray, known: np.ndarray) -> list[int]:
    distances = cdist(vector[None], known, "sqeuclidean")[0]
    return [int(n) for n in np.argsort(distances)[:NEIGHBOURS]]


def _vote(values: Iterable[str]) -> str:
    return Counter(values).most_common(1)[0][0]
