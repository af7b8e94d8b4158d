"""Stage 1, encoding-side alignment (section 4.1 of the paper): media become something that the language model can read.

The language model is frozen, says what it sees or hears and answers questions about it; only the input projection learns. The paper asks
for the words alone; here a medium must also come near to the words of its caption (see `reading_distance`).
"""

import random
from pathlib import Path

from transformers import LlamaForCausalLM

from nextgpt_chat.tinyland.questions import describe, question
from nextgpt_chat.training.alignment import Alignment, TalkBatch, load_tools, save_weights
from nextgpt_chat.training.loop import Plan, fit, processes
from nextgpt_chat.training.talk import odd_questions, some_medium

PLAN = Plan(steps=1200, rate=3e-3, decay=0.0, bf16=True, compiled="language_model.model", save_every=100)
DESCRIBED, ASKED, ODD = 24, 16, 32
"""Media in a batch that are described, that are asked about, and that have a thing or a colour without a name."""


def train(folder: Path, parts: Path, seed: int, scale: float) -> None:
    """Trains the input projection and saves it as `parts/stage1/input_projection.safetensors`."""
    tools = load_tools(parts)
    model = Alignment(parts, LlamaForCausalLM.from_pretrained(parts / "llm"), tools.tokenizer)
    model.input_projection.requires_grad_(True)

    def batch(rng: random.Random) -> TalkBatch:
        described = [describe(some_medium(rng), rng, shown=True) for _ in range(DESCRIBED)]
        asked = [question(some_medium(rng), rng, shown=True) for _ in range(ASKED)]
        return tools.batch([[exchange] for exchange in (*described, *asked, *odd_questions(rng, ODD))], rng)

    fit(model, PLAN.scaled(scale), batch, lambda module, rows: module(rows), folder, seed)
    if not processes().is_main_process:
        return
    save_weights(model.input_projection, parts / "stage1" / "input_projection.safetensors")
