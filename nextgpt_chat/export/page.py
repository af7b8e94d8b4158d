"""A conversation as one HTML file that holds everything it shows and asks nobody for anything."""

import html
from base64 import b64encode
from collections.abc import Sequence

from nextgpt_chat.conversation import Media, Text
from nextgpt_chat.export.limits import check_size
from nextgpt_chat.media.names import described
from nextgpt_chat.store.conversations import Message

LARGEST_PAGE_MB = 50
"""Most megabytes of media in one page; browsers open larger ones slowly or not at all."""

PAGE_POLICY = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'"
"""What the page may load: what it holds."""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ max-width: 44rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif; }}
section {{ margin: 0 0 1.5rem; }}
h1 {{ font-size: 1.3rem; }}
h2 {{ font-size: .85rem; margin: 0; opacity: .7; }}
p {{ white-space: pre-wrap; overflow-wrap: anywhere; margin: .3rem 0; }}
figure {{ margin: .5rem 0; }}
figcaption {{ font-size: .8rem; opacity: .8; }}
img, video {{ width: min(20rem, 100%); border-radius: .75rem; }}
</style>
</head>
<body>
<h1>{title}</h1>
{messages}
</body>
</html>
"""
PLAYERS = {"image": '<img src="{}" alt="{}">', "audio": '<audio controls src="{}" title="{}"></audio>', "video": '<video controls src="{}" title="{}"></video>'}  # fmt: skip


def page(title: str, messages: Sequence[Message]) -> str:
    """The page. Raises `InputError` if there are more than `LARGEST_PAGE_MB` of media."""
    check_size(messages, LARGEST_PAGE_MB)
    return PAGE.format(policy=PAGE_POLICY, title=html.escape(title), messages="\n".join(map(_section, messages)))


def _section(message: Message) -> str:
    made = message.role == "assistant"
    parts = [f"<p>{html.escape(p.text)}</p>" if isinstance(p, Text) else _figure(p, made) for p in message.turn.parts]
    if message.status not in ("complete", "running"):
        parts.append(f"<p>{message.status}</p>")
    return f"<section>\n<h2>{html.escape(message.model or 'Model') if made else 'You'}</h2>\n{chr(10).join(parts)}\n</section>"


def _figure(part: Media, made: bool) -> str:
    if not part.path.is_file():
        return "<p>This file is no longer there.</p>"
    data = f"data:{part.mime};base64,{b64encode(part.path.read_bytes()).decode()}"
    said = html.escape(described(part, made).rstrip("."))
    seed = "" if part.seed is None else f", seed {part.seed}"
    return f"<figure>{PLAYERS[part.kind].format(data, said)}<figcaption>{said}{seed}</figcaption></figure>"
