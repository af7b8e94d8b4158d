"""Texts that do not change are translated in the browser, by Gradio, from the browser's language; those that are rendered here, by `languages`."""

from typing import Any

import gradio as gr

from nextgpt_chat.languages.translate import TRANSLATIONS

TRANSLATED = gr.I18n(en={text: text for text in TRANSLATIONS["de"]}, **TRANSLATIONS)
"""What Gradio's page is launched with."""


def shown(text: str) -> Any:
    """A text that Gradio translates in the browser."""
    return TRANSLATED(text)
