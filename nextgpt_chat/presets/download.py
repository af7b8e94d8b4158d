"""The parts of a preset, fetched into a folder: what is there is not fetched again, and what was begun goes on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

import httpx
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import (  # type: ignore[attr-defined]  # HTTPError is its transport's, which it does not declare as its own
    DryRunError,
    EntryNotFoundError,
    GatedRepoError,
    HTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import http_get

from nextgpt_chat.disk import check_room
from nextgpt_chat.errors import SetupError
from nextgpt_chat.presets.preset import LOCK, Preset, Source

SECONDS = 20
"""Until a server that says nothing is given up."""

Report = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """What is to be fetched."""

    preset: Preset
    """With commits in the place of branches."""
    missing: dict[str, int]
    """Bytes by part."""
    written: int
    """Bytes of what is made of the parts afterwards; 0 if they are used as they are."""

    @property
    def total(self) -> int:
        """Bytes of all that is missing."""
        return sum(self.missing.values())


def plan(preset: Preset, folder: Path) -> Plan:
    """Asks the hub what there is. Raises `SetupError` where it cannot be reached or does not give a part, or where the disk is too small."""
    sources, missing, whole = dict(preset.sources), {}, 0
    for part, source in preset.sources.items():
        if source.url:
            size = _size(source.url)
            missing[part], whole = size - _have(folder / part / Path(source.url).name), whole + size
            continue
        with _in_words(source):
            files = snapshot_download(
                source.repo,
                revision=_revision(source),
                local_dir=folder / part,
                allow_patterns=list(source.files),
                etag_timeout=SECONDS,
                dry_run=True,
            )
        if not files:
            raise SetupError(f"{source.repo} has none of the files {', '.join(source.files)} at {source.revision}.")
        sources[part] = source.model_copy(update={"revision": files[0].commit_hash, "until": None})
        missing[part] = sum(file.file_size or 0 for file in files if file.will_download)
        whole += sum(file.file_size or 0 for file in files)
    found = Plan(preset.model_copy(update={"sources": sources}), missing, 0 if preset.description else whole)
    if found.total:
        made = f" and at most {found.written / 10**9:.1f} GB to be made of it" if found.written else ""
        check_room(
            f"{found.total / 10**9:.1f} GB are to be fetched{made}",
            {folder: found.total + found.written},
            "Free some, or choose another folder with NEXTGPT_CHECKPOINTS.",
        )
    return found


def fetch(planned: Plan, folder: Path, report: Report) -> None:
    """Fetches all that is missing; whatever ends it, it goes on from there next time. Raises `SetupError` if the network fails."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / LOCK).write_text(planned.preset.model_dump_json(indent=2) + "\n", encoding="utf-8")
    for part, source in planned.preset.sources.items():
        report(f"{part}: {planned.missing[part] / 10**9:.2f} GB from {source.repo or source.url}")
        with _in_words(source):
            if source.url:
                _fetch_file(source, folder / part / Path(source.url).name)
            else:
                snapshot_download(
                    source.repo,
                    revision=source.revision,
                    local_dir=folder / part,
                    allow_patterns=list(source.files),
                    etag_timeout=SECONDS,
                )


def _revision(source: Source) -> str:
    """What to ask the hub for: the revision, or its newest commit up to the day that the source names."""
    if source.until is None:
        return source.revision
    hub = HfApi()
    hub.model_info(
        source.repo, revision=source.revision, timeout=SECONDS
    )  # the history takes no limit of time, and would wait for a dead server
    for commit in hub.list_repo_commits(source.repo, revision=source.revision):  # the newest first
        if commit.created_at.astimezone(UTC).date() <= source.until:
            return commit.commit_id
    raise SetupError(
        f"{source.repo} has no commit of {source.until} or before any more: its history was written anew. Look at what it has now, and name the "
        "commit that you want as 'revision' in a copy of the preset."
    )


def _fetch_file(source: Source, path: Path) -> None:
    size, begun = _size(source.url), path.with_name(f"{path.name}.part")
    if path.is_file() and path.stat().st_size == size:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with begun.open("ab") as file:
        http_get(source.url, file, resume_size=file.tell(), expected_size=size, displayed_filename=path.name)
    try:
        source.check(begun)
    except SetupError:
        begun.unlink()  # or it would be taken for whole next time
        raise
    begun.rename(path)


def _have(path: Path) -> int:
    """Bytes of a file that are here, whole or begun."""
    begun = path.with_name(f"{path.name}.part")
    return next((one.stat().st_size for one in (path, begun) if one.is_file()), 0)


def _size(url: str) -> int:
    with _in_words(Source(url=url, licence="")):
        said = httpx.head(url, follow_redirects=True, timeout=SECONDS).raise_for_status()
        return int(said.headers["content-length"])


@contextmanager
def _in_words(source: Source) -> Iterator[None]:
    """What can go wrong with the hub, as sentences."""
    name = source.repo or source.url
    try:
        try:
            yield
        except DryRunError as error:  # the hub's answer is its cause
            raise error.__cause__ or error from error
    except OfflineModeIsEnabled as error:
        raise SetupError(f"The hub is switched off by HF_HUB_OFFLINE. Unset that to fetch {name}.") from error
    except GatedRepoError as error:
        raise SetupError(
            f"{name} asks for its licence to be accepted. Do so at https://huggingface.co/{name}, then sign in here with: hf auth login"
        ) from error
    except RepositoryNotFoundError as error:
        raise SetupError(f"There is no {name} at the hub, or it is private; sign in with: hf auth login") from error
    except (RevisionNotFoundError, EntryNotFoundError) as error:
        if isinstance(error, LocalEntryNotFoundError):
            raise SetupError(f"The hub cannot be reached for {name}. What is here already stays; try again later.") from error
        raise SetupError(f"{name} has no revision '{source.revision}', or a file of it is gone.") from error
    except (httpx.HTTPError, HTTPError, OSError, KeyError) as error:
        raise SetupError(
            f"{name} cannot be fetched ({type(error).__name__}). What is here already stays; try again later."
        ) from error
