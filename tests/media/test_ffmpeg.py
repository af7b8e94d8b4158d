import time
from pathlib import Path

import numpy as np
import pytest

from nextgpt_chat.errors import SetupError
from nextgpt_chat.media import ffmpeg
from tests.media.recordings import clip, highest, make, tone, wav


def test_what_is_in_a_clip(tmp_path: Path) -> None:
    found = ffmpeg.probe(clip(tmp_path / "a.mp4", "-ac", "2"))
    assert found == ffmpeg.Found(1.0, channels=2, rate=44_100, width=64, height=48, frame_rate=10.0)


def test_what_is_in_a_sound(tmp_path: Path) -> None:
    assert ffmpeg.probe(wav(tmp_path / "a.wav", tone(1.5), 8_000)) == ffmpeg.Found(3.0, channels=1, rate=8_000)


@pytest.mark.parametrize(("channels", "read"), [(1, 1), (2, 2), (3, 3), (6, 3), (8, 3)])
def test_more_than_two_channels_are_seen(tmp_path: Path, channels: int, read: int) -> None:
    path = wav(tmp_path / "a.wav", np.repeat(tone()[:, None], channels, 1))
    assert ffmpeg.probe(path).channels == read


def test_a_title_that_looks_like_a_stream_is_not_one(tmp_path: Path) -> None:
    path = wav(tmp_path / "a.wav", tone())
    make(tmp_path / "b.flac", "-i", str(path), "-metadata", "title=x\n  Stream #0:9: Video: h264, yuv420p, 64x48, 10 fps")
    assert ffmpeg.probe(tmp_path / "b.flac").width == 0


@pytest.mark.parametrize("end", ["jpg", "png"])
def test_a_cover_picture_does_not_make_a_clip(tmp_path: Path, end: str) -> None:
    cover = make(tmp_path / f"cover.{end}", "-f", "lavfi", "-i", "testsrc=s=32x32", "-frames:v", "1")
    path = wav(tmp_path / "a.wav", tone())
    attached = ["-map", "0", "-map", "1", "-c:v", "copy", "-disposition:v", "attached_pic", "-id3v2_version", "3"]
    found = ffmpeg.probe(make(tmp_path / "a.mp3", "-i", str(path), "-i", str(cover), *attached))
    assert (found.channels, found.width) == (1, 0)


@pytest.mark.parametrize("name", ["-f.mp4", "http:x.mp4", "concat:a.mp4|b.mp4", "%d.mp4", "a 'b' [c].mp4"])
def test_a_name_is_a_name(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clip(tmp_path / "a.mp4").rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert ffmpeg.probe(Path(name)).width == 64
    assert len(ffmpeg.decode_sound(Path(name), 16_000)) > 15_000


DISGUISES = {
    "concat": "ffconcat version 1.0\nfile secret.wav\n",
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:1,\nsecret.wav\n#EXT-X-ENDLIST\n",
    "svg": '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="8" height="8"/></svg>',
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
}


@pytest.mark.parametrize("kind", DISGUISES)
@pytest.mark.parametrize("end", ["mp4", "avi", "m3u8", "wav"])
def test_lists_of_other_files_and_drawings_are_not_opened(tmp_path: Path, kind: str, end: str) -> None:
    wav(tmp_path / "secret.wav", tone())
    path = tmp_path / f"x.{end}"
    path.write_text(DISGUISES[kind])
    with pytest.raises(ffmpeg.Unreadable):
        ffmpeg.probe(path)
    with pytest.raises(ffmpeg.Unreadable):
        ffmpeg.decode_sound(path, 16_000)


def test_without_the_lists_of_formats_the_same_file_would_be_followed(tmp_path: Path) -> None:
    wav(tmp_path / "secret.wav", tone())
    (tmp_path / "x.mp4").write_text(DISGUISES["concat"])
    opened = ffmpeg.run(["-i", f"file:{tmp_path / 'x.mp4'}", "-f", "null", "-"])
    assert opened.code == 0


def test_codings_that_are_not_listed_are_not_decoded(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mkv", "-f", "lavfi", "-i", "testsrc=s=16x16:d=0.2", "-c:v", "png")
    with pytest.raises(ffmpeg.FFmpegError):
        ffmpeg.decode_frames(path, 16, 16, "null")


def test_a_run_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    path = wav(tmp_path / "a.wav", tone(60))
    began = time.monotonic()
    with pytest.raises(ffmpeg.TooSlow):
        ffmpeg.run([*ffmpeg.source(path, "-re"), "-f", "null", "-"], timeout=0.3)
    assert time.monotonic() - began < 10


def test_a_run_that_writes_too_much_is_ended(tmp_path: Path) -> None:
    path = wav(tmp_path / "a.wav", tone(60))
    with pytest.raises(ffmpeg.TooMuch):
        ffmpeg.run([*ffmpeg.source(path), "-f", "f32le", "pipe:1"], limit=1000)


def test_many_messages_do_not_stop_a_run(tmp_path: Path) -> None:
    path = wav(tmp_path / "a.wav", tone(60))
    ended = ffmpeg.run([*ffmpeg.source(path), "-af", "ashowinfo", "-f", "null", "-"], level="info")
    assert ended.code == 0
    assert len(ended.log) == ffmpeg.LOG_BYTES


def test_sound_at_another_rate(tmp_path: Path) -> None:
    path = wav(tmp_path / "a.wav", tone(1.0, 44_100), 44_100)
    samples = ffmpeg.decode_sound(path, 16_000)
    assert samples.dtype == np.float32
    assert len(samples) == pytest.approx(16_000, abs=50)
    assert highest(samples) == pytest.approx(440, abs=2)
    assert len(ffmpeg.decode_sound(path, 16_000, seconds=0.25)) == pytest.approx(4_000, abs=50)


def test_frames_are_counted_and_decoded(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4")
    assert ffmpeg.count_frames(path) == 10
    assert ffmpeg.decode_frames(path, 64, 48, "null").shape == (10, 48, 64, 3)


def test_no_ffmpeg_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "none"))
    with pytest.raises(SetupError, match="ffmpeg cannot be started"):
        ffmpeg.probe(tmp_path / "a.wav")
