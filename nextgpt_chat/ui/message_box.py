"""The message box, what is written in it, and beside it the camera. Gradio's box has none, and its camera for pictures stays silent where it
cannot be used."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from nextgpt_chat.conversation import Part, Text, Turn
from nextgpt_chat.engine.models import Models
from nextgpt_chat.errors import InputError
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.media.upload import accept_upload
from nextgpt_chat.settings import Settings
from nextgpt_chat.ui.languages import shown

EMPTY: dict[str, Any] = {"text": "", "files": []}
"""A box in which nothing is written."""
MOST_ATTACHED = 50
"""Media of earlier messages that are looked up for the next one; the settings allow fewer."""


def message_box(models: Models) -> gr.MultimodalTextbox:
    """A box for text and for files of the kinds that a model takes; with a microphone and a camera where one hears and sees."""
    kinds = list(dict.fromkeys(kind for model in models.checkpoints for kind in model.inputs if kind != "text"))
    with gr.Row(elem_id="compose"):
        if "image" in kinds:
            gr.HTML(CAMERA, js_on_load=USE_CAMERA, apply_default_css=False, elem_id="camera")
        return gr.MultimodalTextbox(
            show_label=False,
            placeholder=shown("Write a message…"),
            file_count="multiple",
            file_types=kinds,
            sources=["upload", "microphone"] if "audio" in kinds else ["upload"],
            max_plain_text_length=1_000_000,
            elem_id="box",
            autofocus=True,
        )


def written(
    message: dict[str, Any], kept: Sequence[Part], settings: Settings, content: ContentStore, kinds: Collection[str]
) -> Turn:
    """The box as a value, behind the media `kept` of earlier messages; files are checked and taken into the content store.

    Raises `InputError` with a sentence for files of other kinds than `kinds`, for too many, and for what is wrong with one.
    """
    files = [Path(file) for file in message.get("files") or []]
    count = len(kept) + len(files)
    if count > settings.max_files_per_message:
        raise InputError(f"The message has {count} files. Accepted are up to {settings.max_files_per_message} in one message.")
    parts: list[Part] = [*kept, *(accept_upload(file, file.name, settings, content, kinds) for file in files)]
    if text := (message.get("text") or "").strip():
        parts.append(Text(text))
    return Turn("user", tuple(parts))


def places(attached: str) -> list[tuple[str, int]]:
    """Messages and numbers of media in them, from `MESSAGE:NUMBER MESSAGE:NUMBER ...`; each once, and `MOST_ATTACHED` of them."""
    pairs = [place.partition(":") for place in list(dict.fromkeys(attached.split()))[:MOST_ATTACHED]]
    return [(message, int(number)) for message, _, number in pairs if number.isdecimal()]


CAMERA = """
<button type="button" class="open" aria-label="Take a picture" title="Take a picture" aria-expanded="false"></button>
<div class="panel" role="dialog" aria-label="Camera" hidden>
    <video playsinline muted></video>
    <p role="alert"></p>
    <button type="button" class="take">Take the picture</button>
    <button type="button" class="close">Close</button>
</div>
"""

USE_CAMERA = """
const [open, panel, video, problem, take, close] =
    ['.open', '.panel', 'video', 'p', '.take', '.close'].map(name => element.querySelector(name));
const problems = {
    NotAllowedError: 'This page may not use the camera. Allow it in the settings of your browser and try again, or send a picture as a file.',
    NotFoundError: 'No camera was found. Connect one and try again, or send a picture as a file.',
    TypeError: 'Browsers give the camera to encrypted pages (https) alone. Send a picture as a file instead.',
    other: 'The camera does not answer; another program may be using it. Close that one and try again, or send a picture as a file.',
};
let attempt = 0, stream = null;
const release = given => given?.getTracks().forEach(track => track.stop());
const show = shown => { panel.hidden = !shown; open.setAttribute('aria-expanded', shown); };
function stop() {
    attempt++;
    release(stream);
    stream = video.srcObject = null;
    show(false);
}
async function start() {
    const mine = ++attempt;
    problem.textContent = '';
    video.hidden = take.hidden = true;
    show(true);
    try {
        const given = await navigator.mediaDevices.getUserMedia({video: {width: {ideal: 1024}, facingMode: 'environment'}});
        if (mine !== attempt) return release(given);  // closed while the browser was still asking
        stream = video.srcObject = given;
        await video.play();
        video.hidden = take.hidden = false;
        take.focus();
    } catch (error) {
        if (mine === attempt) problem.textContent = problems[error.name] ?? problems.other;
    }
}
take.onclick = async () => {
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    canvas.getContext('2d').drawImage(video, 0, 0);
    const blob = await new Promise(done => canvas.toBlob(done, 'image/jpeg', 0.92));
    const files = new DataTransfer();
    files.items.add(new File([blob], 'picture.jpg', {type: blob.type}));
    const input = document.querySelector('#box input[type=file]');
    input.files = files.files;
    input.dispatchEvent(new Event('change', {bubbles: true}));
    stop();
    document.querySelector('#box textarea').focus();
};
open.onclick = () => panel.hidden ? start() : stop();
close.onclick = () => { stop(); open.focus(); };
panel.onkeydown = event => { if (event.key === 'Escape') close.click(); };
"""
"""Puts a picture into the box's own input of files, where it is an attachment like any other. The camera runs only while the panel is open."""
