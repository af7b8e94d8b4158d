from pathlib import Path

import numpy as np
import pytest

from nextgpt_chat.errors import InputError
from nextgpt_chat.media import ffmpeg
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.media.video_file import accept_video, encode_mp4, read_frames, read_sound_track, read_video
from nextgpt_chat.settings import Settings
from tests.media.recordings import clip, highest, make, tone

SHADES = np.arange(8) * 30 + 20
"""Grey of each frame of `greys`."""


@pytest.fixture
def content(tmp_path: Path) -> ContentStore:
    return ContentStore(tmp_path / "media")


def refused(path: Path, settings: Settings, content: ContentStore) -> str:
    with pytest.raises(InputError) as caught:
        accept_video(path, path.name, settings, content)
    assert not content.root.exists()
    return str(caught.value)


def greys(height: int = 80, width: int = 80) -> np.ndarray:
    return np.broadcast_to(SHADES.astype(np.uint8)[:, None, None, None], (8, height, width, 3))


def stored(tmp_path: Path, frames: np.ndarray, samples: np.ndarray | None = None, rate: float = 4.0) -> Path:
    path = tmp_path / "stored.mp4"
    path.write_bytes(encode_mp4(frames, rate, samples, {}))
    return path


@pytest.mark.parametrize("end", ["mp4", "webm", "mkv", "mov", "avi"])
def test_usual_clips_become_the_same_kind_of_file(tmp_path: Path, settings: Settings, content: ContentStore, end: str) -> None:
    path = clip(tmp_path / f"a.{end}", "-metadata", "title=Secret", "-metadata:s:v:0", "handler_name=Secret", seconds=2.0)
    video = accept_video(path, path.name, settings, content)
    assert (video.mime, video.width, video.height, video.path.suffix) == ("video/mp4", 64, 48, ".mp4")
    assert video.seconds == pytest.approx(2.0, abs=0.15)
    assert video.frames == pytest.approx(20, abs=1)
    data = video.path.read_bytes()
    assert b"Secret" not in data
    assert data.index(b"moov") < data.index(b"mdat")
    log = ffmpeg.run(ffmpeg.source(video.path), level="info").log
    assert "yuv420p(tv, bt709, progressive)" in log
    assert "Video: h264" in log
    assert "Audio: aac" in log
    track = read_sound_track(video.path)
    assert track is not None
    assert highest(track) == pytest.approx(440, abs=2)


def test_large_and_fast_becomes_small_and_slow(tmp_path: Path, settings: Settings, content: ContentStore) -> None:
    video = accept_video(clip(tmp_path / "a.mp4", size="1920x1080", rate=60, seconds=0.5), "a.mp4", settings, content)
    assert (video.width, video.height, video.frames) == (640, 360, 15)


def test_odd_sizes_become_even(tmp_path: Path, settings: Settings, content: ContentStore) -> None:
    path = clip(tmp_path / "a.mkv", "-c:v", "mjpeg", "-pix_fmt", "yuvj444p", size="65x47")
    video = accept_video(path, "a.mkv", settings, content)
    assert (video.width % 2, video.height % 2) == (0, 0)
    assert abs(video.width - 65) <= 1
    assert abs(video.height - 47) <= 1


def test_a_clip_that_lies_on_its_side_stands_upright(tmp_path: Path, settings: Settings, content: ContentStore) -> None:
    flat = clip(tmp_path / "flat.mp4")
    turned = make(tmp_path / "a.mp4", "-display_rotation", "90", "-i", str(flat), "-c", "copy")
    upright = accept_video(turned, "a.mp4", settings, content)
    assert (upright.width, upright.height) == (48, 64)
    as_it_lay = accept_video(flat, "flat.mp4", settings, content)
    before, after = read_video(as_it_lay.path, 1)[0], read_video(upright.path, 1)[0]
    assert np.abs(np.rot90(before).astype(int) - after).mean() < 8
    for raw in (read_video(turned, 1)[0], read_frames(turned, lambda count, rate: [0])[0]):  # who trains reads files as they are
        assert np.abs(raw.astype(int) - after).mean() < 8


def test_wide_pixels_become_square(tmp_path: Path, settings: Settings, content: ContentStore) -> None:
    video = accept_video(clip(tmp_path / "a.mp4", "-vf", "setsar=2"), "a.mp4", settings, content)
    assert (video.width, video.height) == (128, 48)


def test_a_clip_without_sound(tmp_path: Path, settings: Settings, content: ContentStore) -> None:
    video = accept_video(clip(tmp_path / "a.mp4", sound=False), "a.mp4", settings, content)
    assert read_sound_track(video.path) is None


def test_frames_are_taken_from_the_first_to_the_last(tmp_path: Path) -> None:
    path = stored(tmp_path, greys())
    for count in (1, 2, 3, 5, 8, 11):
        frames = read_video(path, count)
        assert frames.shape == (count, 80, 80, 3)
        expected = SHADES[np.floor(np.linspace(0, 7, count) + 0.5).astype(int)] if count <= 8 else None
        found = frames.reshape(count, -1).mean(1)
        assert abs(found[0] - SHADES[0]) < 3
        if count > 1:
            assert abs(found[-1] - SHADES[-1]) < 3
        if expected is not None:
            assert np.abs(found - expected).max() < 3
        assert (np.diff(found) > -1).all()


def test_no_more_frames_are_held_than_were_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = stored(tmp_path, greys())
    monkeypatch.setattr(ffmpeg, "DECODED_BYTES", 3 * 80 * 80 * 3)
    assert len(read_video(path, 3)) == 3
    with pytest.raises(ffmpeg.TooMuch):
        read_video(path, 4)


def test_a_written_clip_keeps_its_colours(tmp_path: Path) -> None:
    frames = np.zeros((4, 80, 80, 3), np.uint8)
    frames[:, :40, :40], frames[:, :40, 40:], frames[:, 40:, :40] = (230, 40, 30), (20, 170, 60), (40, 60, 220)
    read = read_video(stored(tmp_path, frames), 4)
    assert np.abs(read.astype(int) - frames)[:, 4:36, 4:36].max() < 6
    assert np.abs(read.astype(int) - frames).mean() < 2


def test_sound_and_picture_begin_together(tmp_path: Path) -> None:
    samples = np.concatenate([np.zeros(16_000, np.float32), tone(1.0)])
    track = read_sound_track(stored(tmp_path, greys(), samples))
    assert track is not None
    assert len(track) == pytest.approx(32_000, abs=1_100)
    assert int(np.argmax(np.abs(track) > 0.2)) == pytest.approx(16_000, abs=200)


def test_an_odd_size_is_made_even(tmp_path: Path) -> None:
    assert read_video(stored(tmp_path, greys(33, 45)), 1).shape == (1, 34, 46, 3)


def test_a_generated_clip_says_what_it_is(tmp_path: Path) -> None:
    texts = {"Description": "a red bird flies", "Source": "AI-generated", "Seed": "5\0"}
    (tmp_path / "a.mp4").write_bytes(encode_mp4(greys(), 4, None, texts))
    log = ffmpeg.run(ffmpeg.source(tmp_path / "a.mp4"), level="info").log
    assert "description     : a red bird flies" in log
    assert "comment         : Source: AI-generated" in log
    assert ffmpeg.probe(tmp_path / "a.mp4").frame_rate == 4.0
    assert encode_mp4(greys(), 4, None, texts) == (tmp_path / "a.mp4").read_bytes()


def test_four_k(tmp_path: Path, settings: Settings, content: ContentStore) -> None:
    path = clip(tmp_path / "big.mp4", "-preset", "ultrafast", size="3840x2160", rate=1, sound=False)
    assert refused(path, settings, content).startswith(
        "'big.mp4' is 3,840 × 2,160 pixels. Accepted are clips up to 2.1 million pixels a frame"
    )


def test_ten_minutes(tmp_path: Path, settings: Settings, content: ContentStore) -> None:
    path = clip(tmp_path / "long.mp4", size="16x16", rate=1, seconds=600, sound=False)
    assert (
        refused(path, settings, content)
        == "'long.mp4' lasts 600 seconds. Accepted are clips up to 60 seconds; send a shorter part."
    )


def test_ten_minutes_whose_header_does_not_say_so(tmp_path: Path, settings: Settings, content: ContentStore) -> None:
    path = clip(tmp_path / "long.webm", "-live", "1", "-c:v", "libvpx", size="16x16", rate=1, seconds=600, sound=False)
    assert ffmpeg.probe(path).seconds is None
    assert refused(path, settings, content).startswith("'long.webm' lasts more than 60 seconds.")


def test_a_clip_without_a_frame(tmp_path: Path, settings: Settings, content: ContentStore) -> None:
    path = make(tmp_path / "none.avi", "-f", "lavfi", "-i", "testsrc=s=16x16", "-frames:v", "0", "-c:v", "mjpeg")
    assert "'none.avi'" in refused(path, settings, content)


def test_a_sound_is_no_clip(tmp_path: Path, settings: Settings, content: ContentStore) -> None:
    path = make(tmp_path / "a.mp4", "-f", "lavfi", "-i", "sine=d=0.5")
    assert refused(path, settings, content).startswith("'a.mp4' has no pictures in it.")


def test_a_clip_that_is_cut_off(tmp_path: Path, settings: Settings, content: ContentStore) -> None:
    data = clip(tmp_path / "a.mp4", "-movflags", "+faststart", seconds=5).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) // 2])
    assert refused(tmp_path / "cut.mp4", settings, content).startswith("'cut.mp4' is cut off: ")
    data = clip(tmp_path / "a.mp4").read_bytes()
    (tmp_path / "headless.mp4").write_bytes(data[: len(data) // 2])
    assert "damaged" in refused(tmp_path / "headless.mp4", settings, content)


def test_text_and_noise_named_mp4(tmp_path: Path, settings: Settings, content: ContentStore) -> None:
    (tmp_path / "words.mp4").write_text("just words " * 50)
    assert refused(tmp_path / "words.mp4", settings, content).startswith("'words.mp4' is damaged, or not a clip")
    data = bytearray(clip(tmp_path / "a.mp4", "-movflags", "+faststart").read_bytes())
    start = data.index(b"mdat") + 4
    data[start:] = np.random.default_rng(0).integers(0, 255, len(data) - start, np.uint8).tobytes()
    (tmp_path / "noise.mp4").write_bytes(data)
    assert "'noise.mp4'" in refused(tmp_path / "noise.mp4", settings, content)


def test_frames_are_read_by_their_numbers_in_any_order(tmp_path: Path) -> None:
    told: list[tuple[int, float]] = []

    def choose(count: int, rate: float) -> list[int]:
        told.append((count, rate))
        return [6, 0, 6, 3]

    read = read_frames(stored(tmp_path, greys(), rate=5.0), choose)
    assert told == [(8, 5.0)]
    assert np.abs(read.mean(axis=(1, 2, 3)) - SHADES[[6, 0, 6, 3]]).max() < 3
