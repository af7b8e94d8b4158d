"""Sounds and clips of a reply in a real Chromium: both play and can be saved, at desktop and at phone width."""

import time

import numpy as np
from playwright.sync_api import Page

from nextgpt_chat.conversation import Text, Turn
from nextgpt_chat.events import Done, MediaReady, MediaStarted, Stats, TextDelta
from nextgpt_chat.media.made import Made
from nextgpt_chat.settings import ReplySettings, Settings
from nextgpt_chat.store.store import open_store
from nextgpt_chat.web.visitor import Visitors, signing_key
from tests.browser.test_chat import PATIENCE, Server, browser, page, pytestmark, server

__all__ = ["browser", "page", "pytestmark", "server"]

TONE = (0.4 * np.sin(np.arange(32_768) / 6)).astype(np.float32)
CLIP = np.stack([np.full((80, 80, 3), 30 * i, np.uint8) for i in range(8)])
PLAY = """async medium => {
    medium.muted = true;
    await medium.play();
    await new Promise(done => setTimeout(done, 400));
    return medium.currentTime;
}"""


def reply_with_media(server: Server, cookies: dict[str, str]) -> str:
    """Writes a finished reply with a sound and a clip into the visitor's history, as a model does that makes them. Returns the conversation."""
    settings = Settings(data=server.data)
    store = open_store(settings)
    content, conversations, jobs = store.content, store.conversations, store.jobs
    user = Visitors(signing_key(settings.data), store.accounts, settings.media_url_seconds).known(cookies)
    assert user is not None
    conversation = conversations.start(user)
    job = conversations.post(user, conversation, Turn("user", (Text("a dog, please"),)), "of a test", ReplySettings())
    assert jobs.claim("a test", "of a test") is not None
    made = Made(content, "of a test")
    sound = made.keep("audio", TONE, "a big dog barking", 1, {}, 0)
    clip = made.keep("video", CLIP, "a big red dog moving up", 2, {}, 4)
    jobs.append(job, TextDelta("Listen and watch."), MediaStarted(0, "audio", "a big dog barking"), MediaReady(0, sound))
    jobs.append(job, MediaStarted(1, "video", "a big red dog moving up"), MediaReady(1, clip), Done(Stats("of a test", 1)))
    store.close()
    return conversation


def test_sounds_and_clips_play_where_they_were_made(page: Page, server: Server) -> None:
    conversation = reply_with_media(server, {cookie["name"]: cookie["value"] for cookie in page.context.cookies()})
    page.goto(f"{server.url}/?c={conversation}")
    page.wait_for_selector("#chat video", timeout=PATIENCE)
    video, audio = page.locator("#chat video").first, page.locator("#chat audio").first
    for _ in range(100):
        if video.evaluate("v => v.readyState") >= 2 and audio.evaluate("a => a.readyState") >= 2:
            break
        time.sleep(0.1)
    assert abs(video.evaluate("v => v.duration") - 2) < 0.3
    assert video.evaluate("v => v.videoWidth") == 80
    assert abs(audio.evaluate("a => a.duration") - 2.048) < 0.05
    assert video.evaluate(PLAY) > 0.1
    assert audio.evaluate(PLAY) > 0.1
    box, controls = video.bounding_box(), page.locator("#chat .controls").first.bounding_box()
    assert box is not None
    assert controls is not None
    assert box["x"] <= controls["x"]
    assert controls["x"] + controls["width"] <= box["x"] + box["width"]
    assert box is not None
    assert box["x"] + box["width"] <= page.evaluate("window.innerWidth")
    assert "AI-generated sound, seed 1" in page.locator("#chat").inner_text()
    assert "AI-generated clip, seed 2" in page.locator("#chat").inner_text()
    names = ("a-big-dog-barking-seed-1.wav", "a-big-red-dog-moving-up-seed-2.mp4")
    for link, name, magic in zip(page.locator("#chat .about a").all(), names, (b"RIFF", b"ftyp"), strict=True):
        with page.expect_download() as saved:
            link.click()
        assert saved.value.suggested_filename == name
        assert magic in saved.value.path().read_bytes()[:12]
    assert not page.locator("#chat .again").count()  # another model made them
