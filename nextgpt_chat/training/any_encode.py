"""Stage 1 for any language model (section 4.1 of the paper): a linear layer from ImageBind's space learns what the language model reads as a medium.

The language model is frozen and says what is in captioned files, in its own chat template, exactly as it will be asked when it serves. The layer
alone learns, a few million parameters. The hyper-parameters are those of the paper's table 7.
"""

import random
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel

from nextgpt_chat.checkpoint import FILE_NAME, Checkpoint, read_checkpoint
from nextgpt_chat.conversation import Part, Text, Turn
from nextgpt_chat.encode.imagebind import ImageBind, ImageBindConfig, read_config
from nextgpt_chat.encode.input_projection import LinearProjection
from nextgpt_chat.encode.published_imagebind import IMAGEBIND_HUGE, from_published
from nextgpt_chat.errors import InputError
from nextgpt_chat.reason.chat_prompt import ChatPrompt
from nextgpt_chat.reason.interleave import interleave
from nextgpt_chat.training.alignment import save_weights
from nextgpt_chat.training.computed_once import claim
from nextgpt_chat.training.course import CONTEXT, Course
from nextgpt_chat.training.embedded_pairs import Embedded, embed
from nextgpt_chat.training.loop import Losses, fit, processes
from nextgpt_chat.training.pairs import Pair
from nextgpt_chat.training.sharding import frozen, place
from nextgpt_chat.training.size import Size, activations, count, frozen_parameters, on_each, without_weights
from nextgpt_chat.training.taking_places import take_places, write_description

RATE, BATCH = 4e-4, 18
"""Of the paper, for each GPU."""
LONGEST = 128
"""Most tokens of a caption; a longer one is cut off."""
SHORTEST = 16
"""Of which an example must have room for as many."""
ASKED = {
    "image": ("What is in this picture?", "Describe this picture.", "Say in one sentence what you see here."),
    "video": ("What happens in this clip?", "Describe this clip.", "Say in one sentence what goes on here."),
    "audio": ("What is heard in this recording?", "Describe this sound.", "Say in one sentence what you hear."),
}


def check(checkpoint: Checkpoint) -> None:
    """Raises `InputError` for a model that this is not for."""
    if checkpoint.prompt != "chat" or checkpoint.input_projection == "own":
        raise InputError(
            f"{checkpoint.title} cannot be taught so. Accepted is a model with the prompt 'chat' and without towers of its own."
        )
    if checkpoint.input_tokens:
        raise InputError(
            f"{checkpoint.title} has an input projection already. Take it out of {FILE_NAME}, with inputs and input_tokens."
        )


def size(checkpoint: Checkpoint, imagebind: Path, pairs: int, files: int, course: Course) -> Size:
    """What it takes to learn from as many pairs, of so many files."""
    language, shape = without_weights(checkpoint), encoder_config(imagebind)
    with torch.device("meta"):
        encoder, projection = ImageBind(shape), LinearProjection(shape.embedding, language.config.hidden_size)
    trained = count([projection])
    return Size(
        trained,
        count([language, encoder, projection]) + frozen_parameters(checkpoint),
        memory=on_each(language, trained, course),
        activations=activations(language, course.batch, LONGEST + 1),
        encoders=4 * count([encoder]),
        steps=course.plan(pairs).steps,
        disk=4 * shape.embedding * files,
        written=4 * (count([encoder]) + trained),
    )


def encoder_config(path: Path) -> ImageBindConfig:
    """Of a folder that `ImageBind.save_pretrained` wrote, or of imagebind_huge.pth. Raises `InputError` if there is neither."""
    if path.suffix == ".pth":
        return IMAGEBIND_HUGE
    try:
        return read_config(path)
    except OSError as error:
        raise InputError(
            f"There is no encoder in {path}. Accepted are imagebind_huge.pth, and the folder imagebind of a model."
        ) from error


def load_encoder(path: Path) -> ImageBind:
    """From what `encoder_config` accepts."""
    return (from_published(path) if path.suffix == ".pth" else ImageBind.from_pretrained(path)).eval()


def train(checkpoint: Checkpoint, imagebind: Path, pairs: Sequence[Pair], course: Course) -> Embedded:
    """Trains the projection and writes it, the encoder and what they change in the description into the checkpoint's folder.

    An interrupted run goes on. Returns the pairs that could be read, and raises `InputError` if there are none.
    """
    check(checkpoint)
    if processes().is_main_process:
        told = [f"{pair.kind} {pair.path} {pair.caption}" for pair in pairs]
        claim(course.run, "\n".join([checkpoint.revision(), str(imagebind.resolve()), course.told, *told]))
    config = encoder_config(imagebind)

    processes().wait_for_everyone()
    read = embed(pairs, config, lambda: load_encoder(imagebind).to(processes().device), course.run)
    if not read.pairs:
        raise InputError(f"None of the {len(read.skipped):,} files can be read. The first: {read.skipped[0]}")
    language = frozen(checkpoint, lora=True)
    place(language, course.shared)
    form = ChatPrompt(
        language.tokenizer, checkpoint.signal_tokens, checkpoint.captions, lambda _: 1, language.ends, checkpoint.instructions
    )
    torch.manual_seed(course.seed)
    projection = LinearProjection(config.embedding, language.hidden)
    plan, make = course.plan(len(read.pairs)), batches(read, form, course.batch)
    fit(projection, plan, make, lambda module, rows: caption_loss(language.model, module, rows), course.run, course.seed)
    if processes().is_main_process:
        _write(checkpoint, projection, load_encoder(imagebind), {pair.kind for pair in read.pairs}, course.run)
    processes().wait_for_everyone()
    return read


def batches(read: Embedded, form: ChatPrompt, size: int) -> Callable[[random.Random], dict[str, Tensor]]:
    """What makes the batch of a step: any `size` of the pairs, each asked about in one of several ways."""
    media = {pair.kind: pair.medium for pair in read.pairs}
    most = longest_caption(form, [(medium, Text(words)) for kind, medium in media.items() for words in ASKED[kind]], 1, 1)

    def batch(rng: random.Random) -> dict[str, Tensor]:
        chosen = [rng.randrange(len(read.pairs)) for _ in range(size)]
        examples = [example(read.pairs[number], form, rng, most) for number in chosen]
        longest = max(len(ids) for ids, _, _ in examples)
        ids = torch.full((size, longest), form.ends[0])
        mask, answer = torch.zeros(size, longest, dtype=torch.long), torch.zeros(size, longest, dtype=torch.bool)
        for row, (tokens, _, begin) in enumerate(examples):
            ids[row, : len(tokens)] = torch.tensor(tokens)
            mask[row, : len(tokens)] = 1
            answer[row, begin : len(tokens)] = True
        vectors = torch.from_numpy(read.vectors(chosen))
        return {"ids": ids, "mask": mask, "answer": answer, "media": vectors, "starts": torch.tensor([at for _, at, _ in examples])}

    return batch


def longest_caption(form: ChatPrompt, requests: Iterable[Sequence[Part]], times: int, beside: int) -> int:
    """Most tokens of a caption that is said so many `times` in an example with one of the `requests`, and as many tokens `beside` it. Raises `InputError`
    if the model's instructions leave too few."""
    asked = max(len(form.conversation([Turn("user", tuple(parts))]).ids) for parts in requests)
    room = (CONTEXT - asked - beside) // times
    if room < SHORTEST:
        raise InputError(
            f"The instructions of the model are too long: a request has {asked} of the {CONTEXT} tokens of an example. Shorten them in {FILE_NAME}."
        )
    return min(LONGEST, room)


def example(pair: Pair, form: ChatPrompt, rng: random.Random, most: int = LONGEST) -> tuple[list[int], int, int]:
    """Ids of question and caption, of which there are at `most` so many, the place of the medium among them, and where the caption begins."""
    asked = form.conversation([Turn("user", (pair.medium, Text(rng.choice(ASKED[pair.kind]))))])
    said = form.text(pair.caption)[:most]
    return [*asked.ids, *said, form.ends[0]], asked.slots[0].start, len(asked.ids)


def caption_loss(language: PreTrainedModel, projection: nn.Module, batch: dict[str, Tensor]) -> Losses:
    """Cross-entropy of the captions, with media in their places."""
    words = language.get_input_embeddings()(batch["ids"])
    rows = torch.arange(len(words), device=words.device)
    seen = interleave(words, projection(batch["media"], ""), rows, batch["starts"])
    states = language.get_decoder()(inputs_embeds=seen, attention_mask=batch["mask"], use_cache=False).last_hidden_state
    said = batch["answer"][:, 1:]
    logits = language.get_output_embeddings()(states[:, :-1][said])
    return {"loss": functional.cross_entropy(logits.float(), batch["ids"][:, 1:][said])}


def _write(checkpoint: Checkpoint, projection: nn.Module, encoder: ImageBind, kinds: set[str], run: Path) -> None:
    """Into the folder of the checkpoint, under other names until all is on disk; its description is kept as it was beside the new one."""
    shutil.rmtree(checkpoint.part("imagebind.new"), ignore_errors=True)
    save_weights(projection, checkpoint.part("input_projection.new"))
    encoder.save_pretrained(checkpoint.part("imagebind.new"))
    ordered = [kind for kind in ASKED if kind in kinds]
    changes = {"inputs": ["text", *ordered], "input_tokens": dict.fromkeys(ordered, 1), "input_projection": "linear"}
    places = {"imagebind.new": "imagebind", "input_projection.new": "input_projection.safetensors"}
    take_places(checkpoint.folder, places | write_description(checkpoint.folder, changes), run)
    read_checkpoint(checkpoint.folder)
