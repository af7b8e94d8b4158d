from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, models
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from nextgpt_chat.errors import Cancelled
from nextgpt_chat.reason.language_model import LanguageModel, SignalGroup, Word, choose
from nextgpt_chat.reason.signal_tokens import SignalGroups

GROUPS = SignalGroups({"image": (10, 11, 12, 13), "audio": (14, 15)})
END = 2


@pytest.fixture
def language_model(tmp_path: Path) -> LanguageModel:
    """A tiny model with random weights, saved and loaded as a checkpoint's is."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=20, hidden_size=32, num_hidden_layers=2, intermediate_size=64, num_attention_heads=2, max_position_embeddings=256
    )
    base = LlamaForCausalLM(config)
    base.save_pretrained(tmp_path / "llm")
    PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE())).save_pretrained(tmp_path / "llm")
    get_peft_model(base, LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False)).save_pretrained(tmp_path / "lora")
    return LanguageModel(tmp_path / "llm", tmp_path / "lora", torch.device("cpu"))


def write(model: LanguageModel, temperature: float = 5.0, seed: int = 0, most: int = 60) -> list[Word | SignalGroup]:
    generator = torch.Generator().manual_seed(seed)
    return list(model.write(model.embed([1, 5, 6]), GROUPS, [[END]], most, temperature, generator, lambda: False, frozenset({1})))


def test_signal_groups_are_always_whole(language_model: LanguageModel) -> None:
    """Random weights at a high temperature choose every token often; a group's later tokens never stand alone."""
    groups = 0
    for seed in range(30):
        for piece in write(language_model, seed=seed):
            if isinstance(piece, SignalGroup):
                groups += 1
                assert piece.states.shape == (1, len(GROUPS.ids[piece.kind]), 32)
            else:
                assert piece.token not in {1, END, *range(10, 16)}
    assert groups > 20


@pytest.mark.parametrize("kinds", [("audio",), ("audio", "image")])
def test_kinds_that_are_named_are_all_there_is_and_none_is_missing(language_model: LanguageModel, kinds: tuple[str, ...]) -> None:
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        written = language_model.write(
            language_model.embed([1, 5, 6]), GROUPS, [[END]], 400, 5.0, generator, lambda: False, frozenset({1}), kinds=kinds
        )
        assert {piece.kind for piece in written if isinstance(piece, SignalGroup)} == set(kinds)


def test_states_are_those_of_a_full_pass(language_model: LanguageModel) -> None:
    ids = [1, 5, 6]
    for seed in range(30):
        ids = [1, 5, 6]
        for piece in write(language_model, seed=seed):
            if isinstance(piece, Word):
                ids.append(piece.token)
                continue
            ids += GROUPS.ids[piece.kind]
            with torch.inference_mode():
                full = language_model.model.model(input_ids=torch.tensor([ids])).last_hidden_state
            assert torch.allclose(full[:, -piece.states.shape[1] :], piece.states, atol=1e-4)
            return
    raise AssertionError("no group was written")


def test_a_reply_can_be_stopped_between_tokens(language_model: LanguageModel) -> None:
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > 3

    pieces = language_model.write(language_model.embed([1]), GROUPS, [[END]], 50, 5.0, torch.Generator().manual_seed(1), cancelled)
    with pytest.raises(Cancelled):
        list(pieces)
    assert asked == 4


def test_the_seed_decides(language_model: LanguageModel) -> None:
    def tokens(seed: int) -> list[int]:
        return [piece.token for piece in write(language_model, seed=seed) if isinstance(piece, Word)]

    assert tokens(3) == tokens(3)
    assert tokens(3) != tokens(4)
    assert choose(torch.tensor([0.0, 3.0, 1.0]), 0.0, torch.Generator()) == 1


def test_behind_the_start_token_a_group_follows_that_starts_from_an_earlier_medium(language_model: LanguageModel) -> None:
    groups = SignalGroups(GROUPS.ids, start=9)
    started = 0
    for seed in range(30):
        generator = torch.Generator().manual_seed(seed)
        for piece in language_model.write(
            language_model.embed([1, 5, 6]), groups, [[END]], 60, 5.0, generator, lambda: False, frozenset({1})
        ):
            if isinstance(piece, Word):
                assert piece.token != 9
            else:
                started += piece.start
    assert started > 5


def test_what_was_written_is_read_again_exactly(language_model: LanguageModel) -> None:
    groups = SignalGroups(GROUPS.ids, start=9)

    def pieces(seed: int, temperature: float, said: list[int]) -> list[Word | SignalGroup]:
        generator = torch.Generator().manual_seed(seed)
        prompt = language_model.embed([1, 5, 6])
        return list(language_model.write(prompt, groups, [[END]], 60, temperature, generator, lambda: False, frozenset({1}), said))

    compared = 0
    for seed in range(30):
        written = pieces(seed, 5.0, [])
        said = [
            token
            for piece in written
            for token in ([piece.token] if isinstance(piece, Word) else [*[9] * piece.start, groups.ids[piece.kind][0]])
        ]
        for before, after in zip(written, pieces(0, 0.0, said), strict=False):
            if isinstance(before, Word):
                assert after == before
                continue
            assert isinstance(after, SignalGroup)
            assert (after.kind, after.start) == (before.kind, before.start)
            assert torch.equal(after.states, before.states)
            assert torch.equal(after.embeddings, before.embeddings)
            compared += 1
    assert compared > 20


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ([5, 6, 7, 8, 5], [5, 6]),
        ([5, 7, 6, 7, 8], [5, 7, 6]),
        ([7, 7, 8], [7]),
        ([5, 6, 7], [5, 6, 7]),
        ([6, 6, 7, 8], []),
    ],
)
def test_a_reply_ends_at_a_run_of_tokens_of_which_nothing_is_returned(
    language_model: LanguageModel, said: list[int], words: list[int]
) -> None:
    pieces = language_model.write(
        language_model.embed([1]),
        GROUPS,
        [[END], [6, 6, 7, 8], [7, 8]],
        len(said),
        0.0,
        torch.Generator(),
        lambda: False,
        said=said,
    )
    assert [piece.token for piece in pieces if isinstance(piece, Word)] == words


def test_a_kind_that_was_asked_for_comes_even_where_the_text_has_no_end(language_model: LanguageModel) -> None:
    pieces = list(
        language_model.write(
            language_model.embed([1]), GROUPS, [[END]], 3, 0.0, torch.Generator(), lambda: False, said=[5, 6, 7], kinds=["image"]
        )
    )
    assert [piece.token for piece in pieces if isinstance(piece, Word)] == [5, 6, 7]
    assert [piece.kind for piece in pieces if isinstance(piece, SignalGroup)] == ["image"]
