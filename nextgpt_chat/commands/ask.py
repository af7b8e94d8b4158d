"""`nextgpt-chat ask`: one message and its reply, in the same store and through the same jobs as the page."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from nextgpt_chat.checkpoint import find_checkpoint
from nextgpt_chat.commands.options import settings_with
from nextgpt_chat.conversation import Part, Text, Turn
from nextgpt_chat.engine.follow import follow
from nextgpt_chat.engine.worker import Worker
from nextgpt_chat.errors import UserError
from nextgpt_chat.events import Done, Event, Failed, MediaProgress, MediaReady, MediaStarted, Notice, Stats, TextDelta
from nextgpt_chat.loading import load_pipeline
from nextgpt_chat.media.provenance import signer
from nextgpt_chat.media.upload import accept_upload
from nextgpt_chat.settings import ReplySettings, Settings
from nextgpt_chat.store.jobs import Jobs, parts_of
from nextgpt_chat.store.store import open_store
from nextgpt_chat.store.tables import new_id

VERBS = {"image": "drawing", "video": "filming", "audio": "composing"}


def main(
    text: Annotated[str, typer.Argument(help="The message.")],
    image: Annotated[list[Path] | None, typer.Option(help="A picture to send along; may be repeated.")] = None,
    audio: Annotated[list[Path] | None, typer.Option(help="A sound to send along; may be repeated.")] = None,
    video: Annotated[list[Path] | None, typer.Option(help="A clip to send along; may be repeated.")] = None,
    conversation: Annotated[str | None, typer.Option(help="Id of a conversation to go on with.")] = None,
    model: Annotated[str | None, typer.Option(help="Name of a model, or a checkpoint folder.")] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**31 - 1, help="Seed of the reply; the same seed gives the same reply.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Denoising steps.")] = None,
    guidance: Annotated[float | None, typer.Option(min=0, help="Guidance scale.")] = None,
    frames: Annotated[int | None, typer.Option(min=1, help="Frames of a clip, within the model's bounds.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="Seconds of a sound, within the model's bounds.")] = None,
    temperature: Annotated[float, typer.Option(min=0, max=2, help="Sampling temperature of the text.")] = 0.0,
    reply_with: Annotated[
        list[str] | None, typer.Option(help="Kind of medium that the reply has: image, video or audio; may be repeated.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder that receives what is made.")] = Path(),
    data: Annotated[Path | None, typer.Option(help="Folder for the database and the media.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")] = False,
) -> None:
    """Asks one question; the reply is streamed, pictures, sounds and clips are written to --out."""
    try:
        settings = settings_with(model=model, data=data)
        reply_settings = ReplySettings(
            seed, temperature, steps=steps, guidance=guidance, frames=frames, seconds=seconds, kinds=tuple(reply_with or ())
        )
        _ask(settings, text, [*(image or []), *(audio or []), *(video or [])], conversation, reply_settings, out, as_json)
    except UserError as error:
        if not as_json:
            raise
        sys.stdout.write(json.dumps({"error": str(error)}) + "\n")
        raise typer.Exit(1) from error


def _ask(
    settings: Settings, text: str, files: list[Path], conversation: str | None, how: ReplySettings, out: Path, as_json: bool
) -> None:
    checkpoint = find_checkpoint(settings.checkpoints, settings.models[0])
    store = open_store(settings)
    content, conversations, jobs = store.content, store.conversations, store.jobs
    user = local_user(settings.data / "local-user")
    parts: list[Part] = [accept_upload(path, path.name, settings, content, checkpoint.inputs) for path in files]
    if text.strip():
        parts.append(Text(text.strip()))
    conversation = conversation or conversations.start(user)
    job = conversations.post(user, conversation, Turn("user", tuple(parts)), checkpoint.name, how)
    sign = signer(settings.data)
    worker = Worker(
        jobs, lambda: load_pipeline(checkpoint.folder, content, settings.device, sign, settings.fit), checkpoint.name, only=job
    )
    show = _Silent() if as_json else _Terminal(out)
    events: list[Event] = []
    with worker:
        for event in _events(jobs, user, job):
            events.append(event)
            show.event(event)
    store.close()
    last = events[-1]
    if isinstance(last, Failed):
        raise UserError(last.message)
    if as_json:
        sys.stdout.write(json.dumps(report(conversation, events, out), ensure_ascii=False) + "\n")


def _events(jobs: Jobs, user: str, job: str) -> Iterator[Event]:
    """The events of a job; Ctrl-C asks it to stop, and what was made until then is kept."""
    after = 0
    while True:
        try:
            for batch in follow(jobs, user, job, after):
                for seq, event in batch:
                    after = seq
                    yield event
            return
        except KeyboardInterrupt:
            jobs.cancel(user, job)


def local_user(path: Path) -> str:
    """The user as whom the command line speaks, remembered in the data folder."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(new_id(), encoding="utf-8")
    return path.read_text(encoding="utf-8").strip()


def report(conversation: str, events: list[Event], out: Path) -> dict[str, Any]:
    """The reply as one JSON object."""
    stats = next(event.stats for event in events if isinstance(event, Done))
    parts = [
        {"kind": "text", "text": part.text}
        if isinstance(part, Text)
        else {"kind": part.kind, "file": str(save(part.path, out)), "caption": part.caption, "seed": part.seed, **part.settings}
        for part in parts_of(events)
    ]
    notices = [event.message for event in events if isinstance(event, Notice)]
    return {
        "conversation": conversation,
        "model": stats.model,
        "parts": parts,
        "notices": notices,
        "seed": stats.seed,
        "stopped": stats.stopped,
        "tokens": {"prompt": stats.prompt_tokens, "new": stats.new_tokens},
        "seconds": stats.seconds,
    }


def save(path: Path, out: Path) -> Path:
    """Copies a medium into `out` under a name that tells its content, so nothing else is overwritten."""
    out.mkdir(parents=True, exist_ok=True)
    target = out / f"nextgpt-{path.stem[:12]}{path.suffix}"
    shutil.copyfile(path, target)
    return target


class _Silent:
    """Shows nothing."""

    def event(self, event: Event) -> None:
        """Ignores it."""


class _Terminal(_Silent):
    """Text as it comes on standard output, progress on standard error."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.bar: Progress | None = None

    def event(self, event: Event) -> None:
        """Shows one event."""
        if isinstance(event, TextDelta):
            sys.stdout.write(event.text)
        elif isinstance(event, MediaStarted):
            sys.stdout.write("\n")
            self.bar = Progress(
                TextColumn(VERBS[event.kind]), BarColumn(), MofNCompleteColumn(), console=Console(stderr=True), transient=True
            )
            self.bar.add_task("", total=None)
            self.bar.start()
        elif isinstance(event, MediaProgress) and self.bar:
            self.bar.update(self.bar.task_ids[0], completed=event.step, total=event.total)
        elif isinstance(event, MediaReady):
            self._close()
            sys.stdout.write(f"[{event.part.kind}: {save(event.part.path, self.out)}]\n")
        elif isinstance(event, Notice):
            sys.stderr.write(f"{event.message}\n")
        elif isinstance(event, Done):
            self._close()
            sys.stdout.write("\n" if not event.stats.stopped else "\nStopped.\n")
            sys.stderr.write(_summary(event.stats))
        sys.stdout.flush()

    def _close(self) -> None:
        if self.bar:
            self.bar.stop()
            self.bar = None


def _summary(stats: Stats) -> str:
    seconds = stats.seconds
    return f"{stats.model}, seed {stats.seed}, {seconds.get('total', 0):.1f} s\n"
