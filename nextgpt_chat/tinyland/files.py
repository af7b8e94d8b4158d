"""Scenes as files: what a person of Tinyland might send."""

import random

from nextgpt_chat.conversation import Audio, Image, Video
from nextgpt_chat.media.audio_file import RATE, encode_wav
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.media.image_file import encode_png
from nextgpt_chat.media.video_file import encode_mp4
from nextgpt_chat.tinyland.draw import SIDE, draw
from nextgpt_chat.tinyland.exchange import Medium
from nextgpt_chat.tinyland.film import FRAME_RATE, FRAMES, film
from nextgpt_chat.tinyland.play import SAMPLES, play


def render(medium: Medium, rng: random.Random, content: ContentStore) -> Image | Video | Audio:
    """A medium as a file in the content store."""
    if medium.kind == "image":
        return Image(*content.put(encode_png(draw(medium.scene, rng), {}), "image/png"), "image/png", width=SIDE, height=SIDE)
    if medium.kind == "video":
        stored = content.put(encode_mp4(film(medium.scene, rng), FRAME_RATE, None, {}), "video/mp4")
        return Video(*stored, "video/mp4", width=SIDE, height=SIDE, frames=FRAMES, seconds=FRAMES / FRAME_RATE)
    stored = content.put(encode_wav(play(medium.scene, rng), RATE, {}), "audio/wav")
    return Audio(*stored, "audio/wav", rate=RATE, seconds=SAMPLES / RATE)
