"""Attributes in a clip, by classical means: things are masked frame by frame, and their shift and growth measured between neighbours.

The reader is calibrated on clips whose scenes are known, and its own error is measured on others before it judges a model. It knows
nothing of how clips are made; a picture reader says where things are and reads what the first frames show.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from nextgpt_chat.evaluation.readers.picture import PictureReader
from nextgpt_chat.tinyland.scene import Scene

EARLY = 2
"""Frames that vote on thing and colour; everything else is read from the first one."""
FARTHEST = 4
"""Most pixels of half size, each way, that things are taken to move from one frame to the next."""
SOFTNESS = 1.0
"""Pixels of half size over which frames are blurred before they are compared."""
SMALLEST = 3.0
"""Pixels of half size that things must cover in both frames of a step that counts."""
FULLEST = 0.7
"""Share of a frame that things never cover; a mask that does is of no thing."""
STEPS = 3
"""Fewest steps that tell a motion."""
GROWTH, AREA = 30.0, 10.0
"""What log-length and log-area of a frame's things weigh against a pixel of half size; growing is then as far from staying as moving is.

Length is fitted to what is inside the things, so it holds for things cut off by the frame; area holds for small ones.
"""
UNEVEN = (1.0, 1.0, 0.3)
"""What uneven ways right and down and uneven growth weigh."""
RIDGE = 0.5
"""Keeps growth at nothing where too little of a thing is seen to tell."""
NEIGHBOURS = 5
STRANGE, STIRRED = 1.2, 0.6
"""Distances beyond which a course is like none that is known, and beyond which it is not staying: diagonals, jumps, to and fro.

Moving, growing and shrinking lie at least 1.5 from staying and from each other.
"""


class MotionReader:
    """Reads the motion, and the six attributes of a picture, from a clip."""

    def __init__(self, clips: Sequence[np.ndarray], scenes: Sequence[Scene], picture_reader: PictureReader) -> None:
        """Calibrates on clips uint8 [T, H, W, 3] of known scenes."""
        self._picture_reader = picture_reader
        courses = [(self._course(clip), scene.motion) for clip, scene in zip(clips, scenes, strict=True)]
        self._courses = np.stack([course for course, _ in courses if course is not None])
        self._motions = [motion for course, motion in courses if course is not None]

    def read(self, clip: np.ndarray) -> dict[str, str]:
        """The attributes of a clip uint8 [T, H, W, 3]; what cannot be read is left out."""
        early = [self._picture_reader.read(frame) for frame in clip[:EARLY]]
        found = dict(early[0])
        for name in {"thing", "colour"} & found.keys():
            found[name] = Counter(frame[name] for frame in early if name in frame).most_common(1)[0][0]
        course = self._course(clip)
        if course is None:
            return found
        distances = np.linalg.norm(self._courses - course, axis=1)
        nearest = [(self._motions[n], distances[n]) for n in np.argsort(distances)[:NEIGHBOURS]]
        like = Counter(motion for motion, distance in nearest if distance < (STIRRED if motion == "stay" else STRANGE))
        return found | ({"motion": like.most_common(1)[0][0]} if like else {})

    def _course(self, clip: np.ndarray) -> np.ndarray | None:
        """What things do from frame to frame: how far they go right and down, grow, and how unevenly they go; None if they are not seen."""
        frames = [self._things(frame) for frame in clip]
        steps = [_step(*pair) for pair in zip(frames, frames[1:], strict=False)]
        seen = np.array([step for step in steps if step is not None])
        if len(seen) < STEPS:
            return None
        weights, values = seen[:, 0], seen[:, 1:]
        mean = np.average(values, axis=0, weights=weights)
        uneven = np.average(np.linalg.norm((values - mean) * UNEVEN, axis=1), weights=weights)
        return np.array([*mean, uneven])

    def _things(self, frame: np.ndarray) -> np.ndarray:
        """Colours and mask of a frame's things at half size, [H / 2, W / 2, 4] from 0 to 1; all else is black."""
        _, mask = self._picture_reader.where(frame)
        if mask.mean() > FULLEST:
            mask = np.zeros_like(mask)
        layers = np.dstack([frame / 255 * mask[..., None], mask])
        height, width = mask.shape
        halved = layers.reshape(height // 2, 2, width // 2, 2, 4).mean(axis=(1, 3))
        softened: np.ndarray = ndimage.gaussian_filter(halved, (SOFTNESS, SOFTNESS, 0))
        return softened


def _step(before: np.ndarray, after: np.ndarray) -> tuple[float, float, float, float] | None:
    """From one frame [H, W, 4] to the next: pixels that show it, way right, way down, growth; None if too little can be seen.

    Whole pixels first, then what is left of the way together with the growth, by least squares over what both frames show.
    """
    right, down = _way(before, after)
    before, after = _shared(before, after, right, down)
    areas = [float(frame[..., 3].sum()) for frame in (before, after)]
    if min(areas) < SMALLEST:
        return None
    mean = (before + after) / 2
    slope_down, slope_right = np.gradient(mean, axis=(0, 1))
    rows, columns = np.indices(mean.shape[:2])
    middle = [np.average(axis, weights=mean[..., 3]) for axis in (rows, columns)]
    outward = (rows - middle[0])[..., None] * slope_down + (columns - middle[1])[..., None] * slope_right
    slopes = np.stack([slope_right.ravel(), slope_down.ravel(), outward.ravel() / GROWTH])
    rest = np.linalg.solve(slopes @ slopes.T + RIDGE * np.eye(3), slopes @ (before - after).ravel())
    growth = float(rest[2]) + AREA * float(np.log(areas[1] / areas[0]))
    return min(areas), right + float(rest[0]), down + float(rest[1]), growth


def _way(before: np.ndarray, after: np.ndarray) -> tuple[int, int]:
    """Whole pixels right and down after which two frames [H, W, 4] differ least where both can be seen; what left the frame is out."""
    edge = ((FARTHEST, FARTHEST), (FARTHEST, FARTHEST))
    ones, one, other = np.ones(after.shape[:2]), np.square(before).sum(axis=2), np.square(after).sum(axis=2)

    def over_ways(still: np.ndarray, moved: np.ndarray) -> np.ndarray:
        """Sums of products [ways up, ways left], the second array being moved."""
        padded = np.pad(moved, (*edge, *[(0, 0)] * (moved.ndim - 2)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, still.shape[:2], axis=(0, 1))
        axes = "abcij,ijc->ab" if moved.ndim == 3 else "abij,ij->ab"
        sums: np.ndarray = np.einsum(axes, windows, still)
        return sums

    both = over_ways(ones, one) + over_ways(other, ones)
    difference = (both - 2 * over_ways(after, before) + 1.0) / (both + 1.0)
    up, left = np.unravel_index(difference.argmin(), difference.shape)
    return FARTHEST - int(left), FARTHEST - int(up)


def _shared(before: np.ndarray, after: np.ndarray, right: int, down: int) -> tuple[np.ndarray, np.ndarray]:
    """What both frames show of the same things if these have moved so far."""
    height, width = after.shape[:2]
    return (
        before[max(-down, 0) : height - max(down, 0), max(-right, 0) : width - max(right, 0)],
        after[max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)],
    )
