import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from c2pa import Reader

from nextgpt_chat.conversation import Media
from nextgpt_chat.media.audio_file import read_audio
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.media.made import Made
from nextgpt_chat.media.provenance import CERTIFICATE, KEY, LABEL, SOURCE, signer
from nextgpt_chat.media.stored import read_medium
from nextgpt_chat.media.video_file import read_sound_track
from tests.media.test_made import CLIP, TONE

MEDIA = {"image": CLIP[0], "audio": TONE, "video": CLIP}
HOW = {"steps": 20, "guidance": 2.5}


def kept(folder: Path, kind: str, settings: dict[str, Any] | None = None, signed: bool = True) -> Media:
    sign = signer(folder) if signed else None
    made = Made(ContentStore(folder / "media"), "tinyland", "0123abcd", sign)
    made.hear(TONE)
    return made.keep(kind, MEDIA[kind], "a “red” bird", 7, HOW if settings is None else settings, 4)


def read(data: bytes, mime: str) -> tuple[str, list[str], dict[str, Any]]:
    """State, complaints and active manifest."""
    reader = Reader(mime, io.BytesIO(data))
    told = json.loads(reader.json())
    return (
        str(reader.get_validation_state()),
        [one["code"] for one in told.get("validation_status", [])],
        told["manifests"][told["active_manifest"]],
    )


@pytest.mark.parametrize("kind", MEDIA)
def test_what_was_made_says_how_and_is_signed(tmp_path: Path, kind: str) -> None:
    medium = kept(tmp_path, kind)
    state, complaints, manifest = read(medium.path.read_bytes(), medium.mime)
    assert (state, complaints) == ("Valid", ["signingCredential.untrusted"])
    said = {one["label"]: one["data"] for one in manifest["assertions"]}
    (action,) = said["c2pa.actions.v2"]["actions"]
    assert action["action"] == "c2pa.created"
    assert action["digitalSourceType"] == f"{SOURCE}trainedAlgorithmicMedia"
    assert action["softwareAgent"] == {"name": "tinyland", "version": "0123abcd"}
    assert said[LABEL] == {"model": "tinyland", "revision": "0123abcd", "prompt": "a “red” bird", "seed": 7, "settings": HOW}
    assert "thumbnail" not in manifest


@pytest.mark.parametrize("kind", MEDIA)
def test_the_signed_file_is_the_same_medium(tmp_path: Path, kind: str) -> None:
    signed, plain = kept(tmp_path, kind), kept(tmp_path, kind, signed=False)
    assert signed.sha256 != plain.sha256
    assert np.array_equal(read_medium(kind, signed.path, 8), read_medium(kind, plain.path, 8))
    assert signed.path.stat().st_size - plain.path.stat().st_size < 8_000
    if kind == "video":
        track = read_sound_track(signed.path)
        assert track is not None
        assert np.abs(track).max() > 0.2


@pytest.mark.parametrize("kind", MEDIA)
def test_whoever_changes_it_is_found_out(tmp_path: Path, kind: str) -> None:
    medium = kept(tmp_path, kind)
    data = bytearray(medium.path.read_bytes())
    data[-2000 if kind == "image" else len(data) // 2] ^= 1  # among its pixels or samples
    state, complaints, _ = read(bytes(data), medium.mime)
    assert state == "Invalid"
    assert any("Hash.mismatch" in one for one in complaints)


def test_what_was_begun_from_another_medium_says_so(tmp_path: Path) -> None:
    medium = kept(tmp_path, "image", {"steps": 1, "start": "0" * 64, "strength": 0.6})
    _, _, manifest = read(medium.path.read_bytes(), medium.mime)
    said = {one["label"]: one["data"] for one in manifest["assertions"]}
    assert said["c2pa.actions.v2"]["actions"][0]["digitalSourceType"].endswith("/compositeWithTrainedAlgorithmicMedia")
    assert said[LABEL]["settings"]["start"] == "0" * 64


def test_the_key_is_made_once_and_for_the_server_alone(tmp_path: Path) -> None:
    first = read(kept(tmp_path, "image").path.read_bytes(), "image/png")[2]["signature_info"]
    kept_key = (tmp_path / KEY).read_bytes()
    second = read(kept(tmp_path, "audio").path.read_bytes(), "audio/wav")[2]["signature_info"]
    assert first["cert_serial_number"] == second["cert_serial_number"]
    assert (tmp_path / KEY).read_bytes() == kept_key
    assert (tmp_path / KEY).stat().st_mode & 0o077 == 0


def test_a_medium_is_kept_where_it_cannot_be_signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept(tmp_path, "image")
    (tmp_path / CERTIFICATE).write_text("no certificate")
    assert np.array_equal(read_medium("image", kept(tmp_path, "image").path, 1), CLIP[0])
    monkeypatch.setitem(sys.modules, "c2pa", None)  # as where the library is not there
    sound = kept(tmp_path, "audio")
    assert np.abs(read_audio(sound.path) - TONE).max() < 1e-3
    assert b"AI-generated" in sound.path.read_bytes()
