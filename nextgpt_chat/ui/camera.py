"""The camera beside the message box. Gradio's box has none, and its camera for pictures stays silent where it cannot be used."""

import json

import gradio as gr

from nextgpt_chat.languages.translate import TRANSLATIONS

PROBLEMS = {
    "NotAllowedError": "This page may not use the camera. Allow it in the settings of your browser and try again, or send a picture as a file.",
    "NotFoundError": "No camera was found. Connect one and try again, or send a picture as a file.",
    "TypeError": "Browsers give the camera to encrypted pages (https) alone. Send a picture as a file instead.",
    "other": "The camera does not answer; another program may be using it. Close that one and try again, or send a picture as a file.",
}
"""What is said of each error that a browser has, by its name."""
WORDS = ("Take a picture", "Camera", "Take the picture", "Close", *PROBLEMS.values())


def camera() -> gr.HTML:
    """A button that opens a panel, in which a picture is taken for the message box."""
    return gr.HTML(PANEL, js_on_load=f"{GIVEN}\n{SCRIPT}", apply_default_css=False, elem_id="camera")


PANEL = """
<button type="button" class="open" aria-label="Take a picture" title="Take a picture" aria-expanded="false"></button>
<div class="panel" role="dialog" aria-label="Camera" hidden>
    <video playsinline muted></video>
    <p role="alert"></p>
    <button type="button" class="take">Take the picture</button>
    <button type="button" class="close">Close</button>
</div>
"""

_TRANSLATIONS = {language: {text: texts[text] for text in WORDS} for language, texts in TRANSLATIONS.items()}
GIVEN = f"const problems = {json.dumps(PROBLEMS)}, translations = {json.dumps(_TRANSLATIONS)};"
SCRIPT = """const [open, panel, video, problem, take, close] =
    ['.open', '.panel', 'video', 'p', '.take', '.close'].map(name => element.querySelector(name));
const here = navigator.language.split('-')[0];
const texts = Object.entries(translations).find(([name]) => name.split('-')[0] === here)?.[1] ?? {};
const say = text => texts[text] ?? text;
[take, close].forEach(button => { button.textContent = say(button.textContent); });
[open, panel].forEach(part => part.setAttribute('aria-label', say(part.getAttribute('aria-label'))));
open.title = say(open.title);
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
        if (mine === attempt) problem.textContent = say(problems[error.name] ?? problems.other);
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
