"""`nextgpt-chat convert`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from nextgpt_chat.convert.write import Sources, convert
from nextgpt_chat.presets.preset import FOLDER, find_preset

NOTICE = (
    "Licences: LLaMA and Vicuna v0, Zeroscope (CC-BY-NC-4.0), ImageBind, AudioLDM and NExT-GPT's weights (CC-BY-NC-SA-4.0): "
    "for research, not for commercial use.\n"
)
UNFINISHED = (
    "These weights have no LoRA: they come from the first or second stage of the training, and the pictures, clips and sounds that they make "
    "may be noise.\n"
)


def main(
    official: Annotated[Path, typer.Argument(help="Folder of ChocoWu/nextgpt_7b_tiva_v0, or of a training with the later code.")],
    base: Annotated[
        Path, typer.Option(help="Folder of Vicuna-7B v0, or of LLaMA-7B with --delta; of the later code, Vicuna-7B v1.5.")
    ],
    imagebind: Annotated[Path, typer.Option(help="The file imagebind_huge.pth.")],
    image_decoder: Annotated[Path, typer.Option(help="Folder of Stable Diffusion 1.5; of the later code, 2.")],
    video_decoder: Annotated[Path, typer.Option(help="Folder of Zeroscope v2 576w.")],
    audio_decoder: Annotated[Path, typer.Option(help="Folder of AudioLDM-L-full.")],
    delta: Annotated[Path | None, typer.Option(help="Folder of lmsys/vicuna-7b-delta-v0, which is added to --base.")] = None,
    out: Annotated[Path, typer.Option(help="Folder to write; it must not be there.")] = Path("checkpoints/nextgpt-7b"),
) -> None:
    """Makes a model of the published NExT-GPT and the models that it stands on; about 30 GB of disk, and as much memory as the language model has."""
    decoders = {"image": image_decoder, "video": video_decoder, "audio": audio_decoder}
    sys.stdout.write(NOTICE)
    published = find_preset("nextgpt-7b", FOLDER).sources["imagebind"]
    sources = Sources(official, base, imagebind, decoders, delta, published)
    checkpoint = convert(sources, out, lambda part: _say(f"Writing: {part} …\n"))
    if not checkpoint.lora:
        _say(UNFINISHED)
    _say(f"{checkpoint.title} is in {out}. Talk to it with: NEXTGPT_MODEL={checkpoint.name} nextgpt-chat serve\n")


def _say(sentence: str) -> None:
    sys.stdout.write(sentence)
    sys.stdout.flush()
