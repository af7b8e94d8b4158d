import random
from dataclasses import replace
from pathlib import Path

import numpy as np

from nextgpt_chat.conversation import Conversation, Text, Turn
from nextgpt_chat.generate.beginning import STARTS, begin_from, last_medium
from nextgpt_chat.generate.decoding import Denoising
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.tinyland.exchange import Medium
from nextgpt_chat.tinyland.files import render
from nextgpt_chat.tinyland.scene import Scene


def test_a_medium_begins_from_the_newest_one_that_fits_in_its_own_shape(tmp_path: Path) -> None:
    rng, content = random.Random(1), ContentStore(tmp_path)
    scene = Scene("dog", "red", motion="right")
    image, clip, sound = (render(Medium(kind, scene), rng, content) for kind in ("image", "video", "audio"))
    conversation = Conversation((Turn("user", (image, clip, Text("look"))), Turn("assistant", (Text("Listen."), sound))))
    assert last_medium(conversation, STARTS["image"]) == clip
    assert last_medium(conversation, STARTS["audio"]) == sound
    assert last_medium(Conversation(conversation.turns[1:]), STARTS["video"]) is None
    how = Denoising(steps=1, guidance=1, seed=1, frames=8, seconds=1.0)
    moving, still = begin_from(clip, "video", 40, how), begin_from(image, "video", 40, how)
    assert moving.shape == (8, 40, 40, 3)
    assert not np.array_equal(moving[0], moving[-1])
    assert still.shape == (1, 40, 40, 3)
    assert begin_from(clip, "video", 40, replace(how, frames=5)).shape == (5, 40, 40, 3)
    assert np.abs(begin_from(clip, "image", 40, replace(how, frames=0)).astype(int) - moving[0]).mean() < 1
    assert begin_from(sound, "audio", 40, how).shape == (16_000,)
    assert begin_from(sound, "audio", 40, replace(how, seconds=3.0)).shape == (48_000,)
