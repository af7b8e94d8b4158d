import io
import time
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from nextgpt_chat.errors import InputError
from nextgpt_chat.media import ffmpeg
from nextgpt_chat.media.audio_file import RATE, accept_audio, encode_wav, loudness, read_audio
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.settings import Settings
from tests.media.recordings import highest, make, tone, wav


@pytest.fixture
def content(tmp_path: Path) -> ContentStore:
    return ContentStore(tmp_path / "media")


def refused(path: Path, settings: Settings, content: ContentStore) -> str:
    with pytest.raises(InputError) as caught:
        accept_audio(path, path.name, settings, content)
    assert not content.root.exists()
    return str(caught.value)


@pytest.mark.parametrize("end", ["wav", "mp3", "flac", "ogg", "m4a", "aac", "webm", "opus"])
def test_usual_sounds_become_the_same_kind_of_file(tmp_path: Path, settings: Settings, content: ContentStore, end: str) -> None:
    path = wav(tmp_path / "first.wav", np.stack([tone(2.0, 44_100)] * 2, 1), 44_100)
    sound = accept_audio(make(tmp_path / f"a.{end}", "-i", str(path), "-metadata", "title=Secret"), f"a.{end}", settings, content)
    assert (sound.mime, sound.rate, sound.path.suffix) == ("audio/wav", RATE, ".wav")
    assert sound.seconds == pytest.approx(2.0, abs=0.1)
    rate, pulses = wavfile.read(sound.path)
    assert (rate, pulses.dtype, pulses.ndim) == (RATE, np.int16, 1)
    assert b"Secret" not in sound.path.read_bytes()
    assert highest(read_audio(sound.path)) == pytest.approx(440, abs=2)


def test_a_written_sound_reads_as_it_was(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).uniform(-1, 1, 1001).astype(np.float32)
    (tmp_path / "a.wav").write_bytes(encode_wav(samples, RATE, {"Seed": "5"}))
    assert np.abs(read_audio(tmp_path / "a.wav") - samples).max() < 2 / 32_768


def test_what_is_too_loud_is_cut_and_does_not_turn_over() -> None:
    _, pulses = wavfile.read(io.BytesIO(encode_wav(np.array([2.0, -2.0, 1.0]), RATE, {})))
    assert pulses.tolist() == [32_767, -32_768, 32_767]


def test_a_generated_sound_says_what_it_is(tmp_path: Path) -> None:
    texts = {"Description": "ein Hündchen bellt", "Software": "NExT-GPT Chat", "Source": "AI-generated"}
    (tmp_path / "a.wav").write_bytes(encode_wav(tone(), 22_050, texts))
    log = ffmpeg.run(ffmpeg.source(tmp_path / "a.wav"), level="info").log
    assert "comment         : Description: ein Hündchen bellt" in log
    assert ": Source: AI-generated" in log
    assert ": NExT-GPT Chat" in log
    assert wavfile.read(tmp_path / "a.wav")[0] == 22_050


def test_ten_minutes(tmp_path: Path, settings: Settings, content: ContentStore) -> None:
    path = wav(tmp_path / "long.wav", np.full(600 * 8_000, 0.1), 8_000)
    sentence = "'long.wav' lasts 600 seconds. Accepted are sounds up to 120 seconds; send a shorter part."
    assert refused(path, settings, content) == sentence


def test_ten_minutes_whose_header_does_not_say_so(tmp_path: Path, settings: Settings, content: ContentStore) -> None:
    path = wav(tmp_path / "a.wav", np.full(600 * 8_000, 0.1), 8_000)
    unnamed = make(tmp_path / "long.mp3", "-i", str(path), "-write_xing", "0")
    assert ffmpeg.probe(unnamed).seconds is None
    assert refused(unnamed, settings, content).startswith("'long.mp3' lasts more than 120 seconds.")


def test_silence(tmp_path: Path, settings: Settings, content: ContentStore) -> None:
    path = wav(tmp_path / "still.wav", tone(loud=1e-4))
    assert refused(path, settings, content).startswith("'still.wav' is silent: nothing can be heard in it.")
    assert accept_audio(wav(tmp_path / "quiet.wav", tone(loud=1e-2)), "quiet.wav", settings, content).seconds == 1.0


def test_loudness() -> None:
    assert loudness(tone(loud=1.0)) == pytest.approx(-3.01, abs=0.01)
    assert loudness(np.zeros(10)) < -300


def test_eight_channels(tmp_path: Path, settings: Settings, content: ContentStore) -> None:
    path = wav(tmp_path / "hall.wav", np.stack([tone()] * 8, 1))
    assert refused(path, settings, content).startswith("'hall.wav' has more than two channels.")


def test_a_sound_without_a_sample(tmp_path: Path, settings: Settings, content: ContentStore) -> None:
    (tmp_path / "none.wav").write_bytes(encode_wav(np.zeros(0), RATE, {}))
    assert "'none.wav'" in refused(tmp_path / "none.wav", settings, content)


def test_text_and_noise_named_wav(tmp_path: Path, settings: Settings, content: ContentStore) -> None:
    (tmp_path / "words.wav").write_text("just words " * 50)
    assert refused(tmp_path / "words.wav", settings, content).startswith("'words.wav' is damaged, or not a sound")
    noise = np.random.default_rng(0).integers(0, 255, 5000, np.uint8).tobytes()
    (tmp_path / "noise.wav").write_bytes(b"RIFF\xff\xff\0\0WAVEfmt " + noise)
    assert refused(tmp_path / "noise.wav", settings, content).startswith("'noise.wav' is damaged")


def test_a_rate_that_no_sound_has(tmp_path: Path, settings: Settings, content: ContentStore) -> None:
    data = bytearray(wav(tmp_path / "a.wav", tone()).read_bytes())
    data[24:28] = (1_862_286_976).to_bytes(4, "little")
    (tmp_path / "fast.wav").write_bytes(data)
    began = time.monotonic()
    assert refused(tmp_path / "fast.wav", settings, content).startswith("'fast.wav' is damaged")
    assert time.monotonic() - began < 10  # ffmpeg would work on it for half a minute and more


def test_a_sound_that_is_cut_off(tmp_path: Path, settings: Settings, content: ContentStore) -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 5 * RATE)
    whole = make(tmp_path / "a.flac", "-i", str(wav(tmp_path / "a.wav", noise)))
    (tmp_path / "cut.flac").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert refused(tmp_path / "cut.flac", settings, content).startswith("'cut.flac' is cut off: 2.")
    m4a = make(tmp_path / "a.m4a", "-i", str(tmp_path / "a.wav"))
    (tmp_path / "cut.m4a").write_bytes(m4a.read_bytes()[: m4a.stat().st_size // 2])
    assert "damaged" in refused(tmp_path / "cut.m4a", settings, content)


def test_a_sound_that_takes_too_long_to_open(
    tmp_path: Path, settings: Settings, content: ContentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*arguments: object, **options: object) -> None:
        raise ffmpeg.TooSlow

    monkeypatch.setattr(ffmpeg, "run", late)
    assert "takes too long to open" in refused(wav(tmp_path / "a.wav", tone()), settings, content)


def test_a_clip_without_sound_is_no_sound(tmp_path: Path, settings: Settings, content: ContentStore) -> None:
    path = make(tmp_path / "a.mp4", "-f", "lavfi", "-i", "testsrc=s=16x16:d=0.5")
    assert refused(path, settings, content).startswith("'a.mp4' has no sound in it.")
