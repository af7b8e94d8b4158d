"""From captioned media and a model to scores, each beside its baselines."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import track
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from nextgpt_chat.encode.imagebind import ImageBind
from nextgpt_chat.evaluation.caption_scores import caption_scores
from nextgpt_chat.evaluation.embedding import encoded_captions, encoded_media, encoded_noise
from nextgpt_chat.evaluation.folder_tasks import Specimen, describing, elsewhere, making
from nextgpt_chat.evaluation.interval import plain
from nextgpt_chat.evaluation.space_scores import frechet_distance, similarity
from nextgpt_chat.events import Reply

DIGITS = 6
"""Behind the point: a Fréchet distance between unit vectors can be small."""
T = TypeVar("T")


@dataclass(frozen=True)
class Subject:
    """Who is measured, and the space in which what it makes is measured: its own."""

    reply: Reply
    imagebind: ImageBind
    tokenizer: PreTrainedTokenizerBase


def describing_scores(subject: Subject, specimens: Sequence[Specimen], seed: int) -> dict[str, Any]:
    """Caption scores of the replies (`model`), and of the same replies beside other items (`shuffled`)."""
    records = collect(describing(subject.reply, specimens, seed), len(specimens), "describing")
    texts, captions = [record.text for record in records], [specimen.captions for specimen in specimens]
    turned = [texts[place] for place in elsewhere(len(texts), seed)]
    return plain({"model": caption_scores(texts, captions), "shuffled": caption_scores(turned, captions)}, DIGITS)


def making_scores(subject: Subject, specimens: Sequence[Specimen], others: Sequence[Specimen], seed: int) -> dict[str, Any]:
    """How near what was made is to its captions and to what is real, in ImageBind's space.

    `made`: replies with a medium of the kind. `similarity`: of made media with the captions that they were made from (`model`), with other
    captions (`shuffled`), and of the real media with theirs (`real`). `frechet`: from the real media to those made (`model`), to `others`
    (`real`), and to as much noise (`noise`). None where there is too little to measure.
    """
    kind = specimens[0].medium.kind
    records = collect(making(subject.reply, specimens, seed), len(specimens), "making")
    made = [(record.specimen, record.medium) for record in records if record.medium is not None]
    shown = encoded_media(subject.imagebind, kind, (medium for _, medium in made))
    asked = _captions(subject, [specimen for specimen, _ in made])
    real = encoded_media(subject.imagebind, kind, (specimen.medium for specimen in specimens))
    other = encoded_media(subject.imagebind, kind, (specimen.medium for specimen in others))
    noise = encoded_noise(subject.imagebind, kind, len(specimens), seed)
    near = {
        "model": similarity(shown, asked),
        "shuffled": similarity(shown, asked[elsewhere(len(made), seed)]) if len(made) > 1 else None,
        "real": similarity(real, _captions(subject, specimens)),
    }
    far = {name: frechet_distance(real, those) for name, those in (("model", shown), ("real", other), ("noise", noise))}
    return plain({"made": len(made), "others": len(others), "similarity": near, "frechet": far}, DIGITS)


def collect(records: Iterable[T], total: int, name: str) -> list[T]:
    """All of them, at most `total`, with a bar on standard error."""
    return list(track(records, total=total, description=name, console=Console(stderr=True)))


def _captions(subject: Subject, specimens: Sequence[Specimen]) -> Tensor:
    """The phrases as unit vectors [N, E]."""
    return encoded_captions(subject.imagebind, subject.tokenizer, [specimen.phrase for specimen in specimens])
