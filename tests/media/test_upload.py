from collections.abc import Collection
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from nextgpt_chat.errors import InputError
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.media.image_file import encode_png, read_image
from nextgpt_chat.media.upload import accept_upload, accepted, first_kind, printable
from nextgpt_chat.settings import Settings
from tests.conftest import png_header
from tests.media.recordings import clip, make, tone, wav

SEES = ("text", "image")
"""What a model of text and pictures takes."""
ALL = ("text", "image", "audio", "video")


@pytest.fixture
def content(tmp_path: Path) -> ContentStore:
    return ContentStore(tmp_path / "media")


def refused(path: Path, settings: Settings, content: ContentStore, kinds: Collection[str] = SEES) -> str:
    with pytest.raises(InputError) as caught:
        accept_upload(path, path.name, settings, content, kinds)
    assert not content.root.exists()
    return str(caught.value)


def test_a_picture_is_kept_with_its_pixels(tmp_path: Path, settings: Settings, content: ContentStore) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 30, 3), np.uint8)
    Picture.fromarray(pixels).save(tmp_path / "a.png")
    image = accept_upload(tmp_path / "a.png", "a.png", settings, content, SEES)
    assert (image.width, image.height) == (30, 40)
    assert np.array_equal(read_image(image.path), pixels)


def test_the_name_does_not_decide(tmp_path: Path, settings: Settings, content: ContentStore) -> None:
    Picture.new("RGB", (9, 9), "red").save(tmp_path / "a.jpg", "JPEG")
    (tmp_path / "a.jpg").rename(tmp_path / "a.txt")
    assert accept_upload(tmp_path / "a.txt", "a.txt", settings, content, SEES).mime == "image/png"


def test_position_and_camera_data_are_dropped_and_the_picture_stands_upright(
    tmp_path: Path, settings: Settings, content: ContentStore
) -> None:
    exif = Picture.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    exif[0x010F] = "Camera"
    Picture.new("RGB", (40, 20), "red").save(tmp_path / "a.jpg", exif=exif)
    image = accept_upload(tmp_path / "a.jpg", "a.jpg", settings, content, SEES)
    assert (image.width, image.height) == (20, 40)
    assert b"Camera" not in image.path.read_bytes()


def test_a_picture_is_read_as_it_comes_as_it_is_stored(tmp_path: Path, settings: Settings, content: ContentStore) -> None:
    """Who trains reads files as they are, and who serves those that were taken into the store."""
    rng, exif = np.random.default_rng(1), Picture.Exif()
    exif[0x0112] = 6
    Picture.fromarray(rng.integers(0, 255, (20, 40, 3), np.uint8)).save(tmp_path / "turned.jpg", exif=exif)
    Picture.fromarray(rng.integers(0, 255, (20, 40, 4), np.uint8)).save(tmp_path / "clear.png")
    Picture.fromarray(rng.integers(0, 65535, (20, 40), np.uint16)).save(tmp_path / "deep.png")
    for name in ("turned.jpg", "clear.png", "deep.png"):
        stored = accept_upload(tmp_path / name, name, settings, content, SEES)
        assert np.array_equal(read_image(tmp_path / name), read_image(stored.path))


@pytest.mark.parametrize("broken", ["header", "chunk", "bomb"])
def test_what_cannot_be_read_as_a_picture_gets_a_sentence(tmp_path: Path, broken: str) -> None:
    whole = bytearray(encode_png(np.zeros((8, 8, 3), np.uint8), {}))
    if broken == "chunk":
        whole[33:41] = b"\xff" * 8
    made = {"header": b"no picture", "chunk": bytes(whole), "bomb": png_header(20_000, 20_000)}[broken]
    (tmp_path / "a.png").write_bytes(made)
    with pytest.raises(InputError, match=r"'a\.png' (is not a picture that can be read|has too many pixels)"):
        read_image(tmp_path / "a.png")


def test_text_named_png(tmp_path: Path, settings: Settings, content: ContentStore) -> None:
    (tmp_path / "fake.png").write_text("just words")
    assert refused(tmp_path / "fake.png", settings, content).startswith("'fake.png' is not a picture")


def test_truncated_picture(tmp_path: Path, settings: Settings, content: ContentStore) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (80, 80, 3), np.uint8)
    (tmp_path / "cut.png").write_bytes(encode_png(pixels, {})[:4000])
    assert "damaged" in refused(tmp_path / "cut.png", settings, content)


def test_twenty_thousand_pixels_square_are_refused_before_decoding(
    tmp_path: Path, settings: Settings, content: ContentStore
) -> None:
    (tmp_path / "huge.png").write_bytes(png_header(20_000, 20_000))
    sentence = refused(tmp_path / "huge.png", settings, content)
    assert "million" in sentence
    assert not content.root.exists()


def test_three_hundred_megabytes(tmp_path: Path, settings: Settings, content: ContentStore) -> None:
    with (tmp_path / "big.png").open("wb") as file:
        file.truncate(300 * 10**6)
    assert refused(tmp_path / "big.png", settings, content) == "'big.png' has 300 MB. Accepted are files up to 20 MB."


@pytest.mark.parametrize(
    ("head", "word"),
    [
        (b"RIFF\0\0\0\0WAVEfmt ", "a sound"),
        (b"RIFF\0\0\0\0AVI LIST", "a clip"),
        (b"\0\0\0\x18ftypisom", "a clip"),
        (b"\0\0\0\x18ftypM4A ", "a sound"),
        (b"\0\0\0\x08wide", "a clip"),
        (b"\x1aE\xdf\xa3", "a clip"),
        (b"OggS" + b"\0" * 12, "a sound"),
        (b"fLaC", "a sound"),
        (b"ID3" + b"\0" * 13, "a sound"),
        (b"\xff\xfb\x90", "a sound"),
    ],
)
def test_what_the_model_does_not_take_is_named(
    tmp_path: Path, settings: Settings, content: ContentStore, head: bytes, word: str
) -> None:
    (tmp_path / "x.png").write_bytes(head + b"\0" * 50)
    assert refused(tmp_path / "x.png", settings, content) == f"'x.png' is {word}; this model takes text and pictures."


def test_what_a_model_takes_decides(tmp_path: Path, settings: Settings, content: ContentStore) -> None:
    film, sound = clip(tmp_path / "a.mp4"), wav(tmp_path / "a.wav", tone())
    Picture.new("RGB", (9, 9), "red").save(tmp_path / "a.png")
    assert refused(film, settings, content, ("text", "image", "audio")).endswith(
        "a clip; this model takes text, pictures and sounds."
    )
    assert refused(sound, settings, content, ("text", "video")).endswith("a sound; this model takes text and clips.")
    assert refused(tmp_path / "a.png", settings, content, ("text",)).endswith("a picture; this model takes text.")
    taken = [accept_upload(path, path.name, settings, content, ALL).kind for path in (film, sound, tmp_path / "a.png")]
    assert taken == ["video", "audio", "image"]


def test_a_container_of_clips_that_holds_only_sound_is_a_sound(tmp_path: Path, settings: Settings, content: ContentStore) -> None:
    for end in ("mp4", "webm"):
        path = make(tmp_path / f"a.{end}", "-i", str(wav(tmp_path / "a.wav", tone())))
        assert first_kind(path.read_bytes()[:16]) == "video"
        assert accept_upload(path, path.name, settings, content, ("text", "audio")).kind == "audio"


def test_a_container_of_sounds_that_holds_pictures_is_a_clip(tmp_path: Path, settings: Settings, content: ContentStore) -> None:
    path = clip(tmp_path / "a.ogg", "-c:v", "libtheora")
    assert accept_upload(path, path.name, settings, content, ALL).kind == "video"


@pytest.mark.parametrize("name", ["a.png", "a", "-f.mp4", "http:x.mp4"])
def test_no_name_misleads(tmp_path: Path, settings: Settings, content: ContentStore, name: str) -> None:
    sound = wav(tmp_path / "a.wav", tone()).rename(tmp_path / name)
    assert accept_upload(sound, name, settings, content, ALL).kind == "audio"
    film = clip(tmp_path / "b.mp4").rename(tmp_path / name)
    assert accept_upload(film, name, settings, content, ALL).kind == "video"


def test_an_animation_stays_a_picture(tmp_path: Path, settings: Settings, content: ContentStore) -> None:
    first, *others = [Picture.new("RGB", (9, 9), colour) for colour in ("red", "blue", "green")]
    first.save(tmp_path / "a.gif", save_all=True, append_images=others, duration=100)
    assert accept_upload(tmp_path / "a.gif", "a.gif", settings, content, ALL).kind == "image"


@pytest.mark.parametrize("name", ["fake.wav", "fake.mp4", "fake.png"])
@pytest.mark.parametrize(
    "text", ["just words", "#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1/x\n", "ffconcat version 1.0\nfile a.wav\n", "<svg/>"]
)
def test_text_under_another_name(tmp_path: Path, settings: Settings, content: ContentStore, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert refused(tmp_path / name, settings, content, ALL) == (
        f"'{name}' is not a picture, a sound or a clip that can be read. Accepted are PNG, JPEG, WebP and GIF pictures; "
        "WAV, MP3, FLAC, Ogg, AAC and M4A sounds; MP4, WebM, MKV, MOV and AVI clips."
    )


def test_a_list_of_files_with_the_beginning_of_a_clip(tmp_path: Path, settings: Settings, content: ContentStore) -> None:
    (tmp_path / "x.mp4").write_bytes(b"\0\0\0\x10ftypisom\0\0\0\0\n#EXTM3U\n#EXTINF:1,\na.wav\n")
    assert "damaged, or not a sound or clip" in refused(tmp_path / "x.mp4", settings, content, ALL)


@pytest.mark.parametrize("end", ["wav", "avi"])
def test_half_a_download(tmp_path: Path, settings: Settings, content: ContentStore, end: str) -> None:
    whole = (clip(tmp_path / "a.avi") if end == "avi" else wav(tmp_path / "a.wav", tone())).read_bytes()
    (tmp_path / f"cut.{end}").write_bytes(whole[: len(whole) // 2])
    assert refused(tmp_path / f"cut.{end}", settings, content, ALL).startswith(f"'cut.{end}' is cut off: ")


def test_a_recording_that_was_written_into_a_pipe(tmp_path: Path, settings: Settings, content: ContentStore) -> None:
    data = bytearray(wav(tmp_path / "a.wav", tone()).read_bytes())
    data[4:8] = data[40:44] = b"\xff" * 4
    (tmp_path / "a.wav").write_bytes(data)
    sound = accept_upload(tmp_path / "a.wav", "a.wav", settings, content, ALL)
    assert sound.kind == "audio"
    assert sound.seconds == 1.0


def test_the_sentence_of_formats_follows_the_model() -> None:
    assert accepted(SEES) == "Accepted are PNG, JPEG, WebP and GIF pictures."
    assert accepted(("text", "audio")) == "Accepted are WAV, MP3, FLAC, Ogg, AAC and M4A sounds."
    assert accepted(("text",)) == "This model takes text alone."


def test_empty_and_missing_files(tmp_path: Path, settings: Settings, content: ContentStore) -> None:
    (tmp_path / "empty.png").touch()
    assert "empty" in refused(tmp_path / "empty.png", settings, content)
    assert "cannot be read" in refused(tmp_path / "none.png", settings, content)


def test_names_in_sentences_hold_no_folders_and_no_control_characters() -> None:
    assert printable("../../etc/pass\x1bwd\n") == "passwd"
    assert len(printable("a" * 500)) == 60


def test_the_same_bytes_are_stored_once(content: ContentStore) -> None:
    first, second = content.put(b"same", "image/png"), content.put(b"same", "image/png")
    assert first == second
    assert sum(1 for path in content.root.rglob("*") if path.is_file()) == 1


def test_a_photograph_of_a_telephone_is_not_called_a_clip(tmp_path: Path, settings: Settings, content: ContentStore) -> None:
    (tmp_path / "x.heic").write_bytes(b"\0\0\0\x18ftypheic" + b"\0" * 50)
    assert refused(tmp_path / "x.heic", settings, content).startswith("'x.heic' is not a picture that can be read.")


def test_sixteen_bits_of_grey_keep_their_shades(tmp_path: Path, settings: Settings, content: ContentStore) -> None:
    shades = np.linspace(0, 65_535, 256).astype(np.uint16).reshape(16, 16)
    Picture.fromarray(shades).save(tmp_path / "grey.png")
    image = accept_upload(tmp_path / "grey.png", "grey.png", settings, content, SEES)
    assert np.array_equal(read_image(image.path)[..., 0], (shades >> 8).astype(np.uint8))


def test_a_large_photograph_is_made_smaller(tmp_path: Path, settings: Settings, content: ContentStore) -> None:
    Picture.new("RGB", (5000, 2500), "red").save(tmp_path / "big.jpg")
    image = accept_upload(tmp_path / "big.jpg", "big.jpg", settings, content, SEES)
    assert (image.width, image.height) == (1024, 512)
