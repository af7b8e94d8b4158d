from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from nextgpt_chat.errors import InputError
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.media.image_file import encode_png, read_image
from nextgpt_chat.media.upload import accept_upload, printable
from nextgpt_chat.settings import Settings
from tests.conftest import png_header


@pytest.fixture
def content(tmp_path: Path) -> ContentStore:
    return ContentStore(tmp_path / "media")


def refused(path: Path, settings: Settings, content: ContentStore) -> str:
    with pytest.raises(InputError) as caught:
        accept_upload(path, path.name, settings, content)
    return str(caught.value)


def test_a_picture_is_kept_with_its_pixels(tmp_path: Path, settings: Settings, content: ContentStore) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 30, 3), np.uint8)
    Picture.fromarray(pixels).save(tmp_path / "a.png")
    image = accept_upload(tmp_path / "a.png", "a.png", settings, content)
    assert (image.width, image.height) == (30, 40)
    assert np.array_equal(read_image(image.path), pixels)


def test_the_name_does_not_decide(tmp_path: Path, settings: Settings, content: ContentStore) -> None:
    Picture.new("RGB", (9, 9), "red").save(tmp_path / "a.jpg", "JPEG")
    (tmp_path / "a.jpg").rename(tmp_path / "a.txt")
    assert accept_upload(tmp_path / "a.txt", "a.txt", settings, content).mime == "image/png"


def test_position_and_camera_data_are_dropped_and_the_picture_stands_upright(
    tmp_path: Path, settings: Settings, content: ContentStore
) -> None:
    exif = Picture.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    exif[0x010F] = "Camera"
    Picture.new("RGB", (40, 20), "red").save(tmp_path / "a.jpg", exif=exif)
    image = accept_upload(tmp_path / "a.jpg", "a.jpg", settings, content)
    assert (image.width, image.height) == (20, 40)
    assert b"Camera" not in image.path.read_bytes()


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
    "head", [b"RIFF\0\0\0\0WAVEfmt ", b"\0\0\0\x18ftypisom", b"OggS" + b"\0" * 12, b"ID3" + b"\0" * 13, b"\xff\xfb\x90"]
)
def test_sounds_and_clips_get_an_honest_sentence(tmp_path: Path, settings: Settings, content: ContentStore, head: bytes) -> None:
    (tmp_path / "x.png").write_bytes(head + b"\0" * 50)
    assert "not understood yet" in refused(tmp_path / "x.png", settings, content)


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
    image = accept_upload(tmp_path / "grey.png", "grey.png", settings, content)
    assert np.array_equal(read_image(image.path)[..., 0], (shades >> 8).astype(np.uint8))


def test_a_large_photograph_is_made_smaller(tmp_path: Path, settings: Settings, content: ContentStore) -> None:
    Picture.new("RGB", (5000, 2500), "red").save(tmp_path / "big.jpg")
    image = accept_upload(tmp_path / "big.jpg", "big.jpg", settings, content)
    assert (image.width, image.height) == (1024, 512)
