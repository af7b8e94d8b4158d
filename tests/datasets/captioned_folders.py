"""Small folders of real media in the layouts in which well-known sets are published, with scenes of Tinyland in them."""

import csv
import json
import random
from pathlib import Path

from PIL import Image as Picture

from nextgpt_chat.media.audio_file import RATE, encode_wav
from nextgpt_chat.media.video_file import encode_mp4
from nextgpt_chat.tinyland.captions import caption, clip_caption, free_caption, free_sound_caption, sound_caption
from nextgpt_chat.tinyland.draw import draw
from nextgpt_chat.tinyland.film import FRAME_RATE, film
from nextgpt_chat.tinyland.play import play
from nextgpt_chat.tinyland.scene import COLOURS, THINGS, Scene

SCENES = [Scene(thing, colour) for thing, colour in zip(THINGS, COLOURS[1:] + COLOURS[:1], strict=True)]
"""Eight things, each in another colour."""


def as_published(words: str) -> str:
    """`a red bird` as `A red bird.`"""
    return f"{words[0].upper()}{words[1:]}."


def write_coco(folder: Path, split: str = "val2017") -> Path:
    """`annotations/captions_<split>.json` and `<split>/*.jpg`, two captions a picture."""
    rng = random.Random(1)
    images, annotations = [], []
    (folder / "annotations").mkdir(parents=True)
    (folder / split).mkdir()
    for number, scene in enumerate(SCENES, 101):
        name = f"{number:012}.jpg"
        Picture.fromarray(draw(scene, rng)).save(folder / split / name, quality=95)
        images.append({"id": number, "file_name": name, "height": 80, "width": 80})
        for words in (caption(scene), free_caption(scene, rng)):
            annotations.append({"image_id": number, "id": len(annotations), "caption": as_published(words)})
    whole = {"info": {"year": 2017}, "licenses": [], "images": images, "annotations": annotations}
    (folder / "annotations" / f"captions_{split}.json").write_text(json.dumps(whole), encoding="utf-8")
    return folder


def write_audiocaps(folder: Path) -> Path:
    """`test.csv` with two captions a sound, and WAV files under the names that people give them."""
    rng = random.Random(1)
    rows = []
    (folder / "audio" / "test").mkdir(parents=True)
    for number, scene in enumerate(SCENES):
        video, own = f"-xYz_{number}", 1000 + 2 * number
        name = (video, f"Y{video}", str(own + 1), f"{video}_30")[number % 4]
        (folder / "audio" / "test" / f"{name}.wav").write_bytes(encode_wav(play(scene, rng), RATE, {}))
        rows.append([own, video, 30, as_published(sound_caption(scene))])
        rows.append([own + 1, video, 30, as_published(free_sound_caption(scene, rng))])
    with (folder / "test.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["audiocap_id", "youtube_id", "start_time", "caption"], *rows])
    return folder


def write_msrvtt(folder: Path) -> Path:
    """`test_videodatainfo.json` with two captions a clip, and `videos/*.mp4`; a clip for training in another file."""
    rng = random.Random(1)
    (folder / "videos").mkdir(parents=True)
    videos, sentences = [], []
    for number, scene in enumerate(SCENES):
        name = f"video{7010 + number}"
        (folder / "videos" / f"{name}.mp4").write_bytes(encode_mp4(film(scene, rng), FRAME_RATE, None, {}))
        videos.append(
            {"video_id": name, "split": "test", "category": 1, "url": "", "start time": 0.0, "end time": 1.0, "id": number}
        )
        for words in (clip_caption(scene), f"there is {clip_caption(scene)}"):
            sentences.append({"video_id": name, "sen_id": len(sentences), "caption": words})
    for name, some, said in (
        ("test", videos, sentences),
        ("train_val", [{"video_id": "video0", "split": "train"}], [{"video_id": "video0", "caption": "a car"}]),
    ):
        whole = {"info": {"year": "2016"}, "videos": some, "sentences": said}
        (folder / f"{name}_videodatainfo.json").write_text(json.dumps(whole), encoding="utf-8")
    (folder / "category.json").write_text("[]", encoding="utf-8")
    return folder


def write_webvid(folder: Path) -> Path:
    """`results_2M_val.csv` with a caption a clip, and MP4 files in `videos/<page_dir>` and beside the table."""
    rng = random.Random(1)
    rows = []
    (folder / "videos" / "000001_000050").mkdir(parents=True)
    for number, scene in enumerate(SCENES[:2]):
        place = (folder / "videos" / "000001_000050", folder)[number]
        (place / f"{21179416 + number}.mp4").write_bytes(encode_mp4(film(scene, rng), FRAME_RATE, None, {}))
        address = f"https://ak.picdn.net/shutterstock/videos/{21179416 + number}/preview/stock-footage.mp4"
        rows.append([21179416 + number, as_published(clip_caption(scene)), "000001_000050", "PT00H00M11S", address])
    with (folder / "results_2M_val.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["videoid", "name", "page_dir", "duration", "contentUrl"], *rows])
    return folder


def write_cc3m(folder: Path) -> Path:
    """What img2dataset fetched: pictures in numbered folders, each with its caption and a description; one has the description alone."""
    rng = random.Random(1)
    (folder / "00000").mkdir(parents=True)
    for number, scene in enumerate(SCENES[:3]):
        path = folder / "00000" / f"{number:09}.jpg"
        Picture.fromarray(draw(scene, rng)).save(path, quality=95)
        described = {
            "caption": caption(scene),
            "url": "http://a.example/a.jpg",
            "key": path.stem,
            "status": "success",
            "exif": "{}",
        }
        path.with_suffix(".json").write_text(json.dumps(described, indent=4), encoding="utf-8")
        if number:
            path.with_suffix(".txt").write_text(caption(scene), encoding="utf-8")
    (folder / "00000_stats.json").write_text(json.dumps({"count": 3, "successes": 3}), encoding="utf-8")
    return folder


def write_named(folder: Path) -> Path:
    """`pairs.json` as the authors of NExT-GPT write it, with a file of each kind."""
    rng = random.Random(1)
    folder.mkdir(parents=True)
    scene = SCENES[0]
    (folder / "a.mp4").write_bytes(encode_mp4(film(scene, rng), FRAME_RATE, None, {}))
    (folder / "a.wav").write_bytes(encode_wav(play(scene, rng), RATE, {}))
    Picture.fromarray(draw(scene, rng)).save(folder / "a.jpg")
    told = [
        {"caption": caption(scene), "id": 1, "image_name": "a.jpg"},
        {"caption": clip_caption(scene), "id": 1, "video_name": "a.mp4"},
        {"audio_id": 1, "caption": sound_caption(scene), "audio_name": "a.wav"},
    ]
    (folder / "pairs.json").write_text(json.dumps(told), encoding="utf-8")
    return folder
