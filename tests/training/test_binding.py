import random

import torch
from torch import Tensor, nn
from transformers import AutoTokenizer

from nextgpt_chat.encode.imagebind import ImageBind
from nextgpt_chat.tinyland.scene import HEARD, MOVING, Scene
from nextgpt_chat.training.base_parts.audio_binding import sound_bank, sound_batch_of
from nextgpt_chat.training.base_parts.imagebind import BindingLoss, binding_batch, new_imagebind, rendered_sounds
from nextgpt_chat.training.base_parts.one_tower import TowerLoss
from nextgpt_chat.training.base_parts.vision_binding import clip_batch_of, sound_vectors
from nextgpt_chat.training.captioned import captioned, captioned_sound, fits, neighbours, scene_batch
from tests.conftest import CHECKPOINT


def test_what_belongs_together_agrees_in_all_that_is_named() -> None:
    scenes = [Scene("dog", "red"), Scene("dog", "blue", count=2), Scene("car", "red")]
    sounds = [Scene("dog", "brown"), Scene("car", "red", size="small")]
    assert fits(scenes, sounds, [HEARD] * 2).tolist() == [[True, False], [False, False], [False, False]]
    assert fits(scenes, scenes, [("colour",), ("thing", "count"), ()]).tolist() == [
        [True, False, True],
        [False, True, True],
        [True, False, True],
    ]


def test_captions_name_motion_only_where_something_moves() -> None:
    rng = random.Random(1)
    still, moving = Scene("dog", "red"), Scene("dog", "red", motion="up")
    named = [captioned(still, rng)[1] for _ in range(300)]
    assert not any("motion" in names for names in named)
    assert any("motion" in captioned(moving, rng)[1] for _ in range(50))
    assert all(captioned_sound(still, rng)[1] <= set(HEARD) for _ in range(50))


def test_half_of_the_scenes_may_move_and_neighbours_differ_little() -> None:
    scenes = scene_batch(random.Random(2))
    assert 0.3 < sum(scene.motion != "stay" for scene in scenes) / len(scenes) < 0.5
    first, *others = neighbours(Scene("dog", "red", motion="up"), random.Random(3), 8, "video")
    assert all(sum(getattr(first, name) != getattr(other, name) for name in MOVING) <= 7 for other in others)
    assert len({first, *others}) == 8


def learnt(model: nn.Module, batch: dict[str, Tensor], steps: int) -> list[float]:
    """The losses on one batch while what is not frozen learns from it."""
    optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], lr=1e-3)
    losses = []
    for _ in range(steps):
        loss = model(batch)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_a_few_steps_lower_the_loss() -> None:
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(CHECKPOINT / "llm")
    model = BindingLoss(new_imagebind(len(tokenizer)), tokenizer.pad_token_id)
    rng = random.Random(4)
    batch = binding_batch(tokenizer, rendered_sounds(rng, 70), 40, rng)
    assert batch["bound"].any()
    assert not batch["bind"].all()
    assert not batch["asked"].all()
    losses = learnt(model, batch, 8)
    assert losses[-1] < 0.9 * losses[0]


def test_the_audio_tower_learns_alone_and_from_voices_that_are_nobodys() -> None:
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(CHECKPOINT / "llm")
    imagebind = ImageBind.from_pretrained(CHECKPOINT / "imagebind")
    before = {name: tensor.clone() for name, tensor in imagebind.state_dict().items()}
    bank = sound_bank(imagebind, random.Random(5), 100, 2)
    batch = sound_batch_of(bank, tokenizer, 40, random.Random(6))
    assert 0.2 < bank.odd.float().mean() < 0.6
    odd = (batch["canonical"][:, 3] == tokenizer.pad_token_id) & (batch["canonical"][:, 4] == tokenizer.pad_token_id)
    assert odd.any()
    assert (~batch["bind"]).any(dim=0).equal(odd)
    assert not batch["asked"][~odd].logical_not().any()
    assert batch["bound"].any()
    loss = TowerLoss(BindingLoss(imagebind, tokenizer.pad_token_id), "audio").train()
    values = learnt(loss, batch, 6)
    assert values[-1] < 0.8 * values[0]
    changed = {name.split(".")[1] for name, tensor in imagebind.state_dict().items() if not tensor.equal(before[name])}
    assert changed == {"audio"}


def test_the_vision_tower_learns_alone_from_things_and_colours_without_a_name() -> None:
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(CHECKPOINT / "llm")
    imagebind = ImageBind.from_pretrained(CHECKPOINT / "imagebind")
    before = {name: tensor.clone() for name, tensor in imagebind.state_dict().items()}
    batch = clip_batch_of(sound_vectors(imagebind, random.Random(5), 100), tokenizer, 40, random.Random(6))
    nameless = batch["canonical"] == tokenizer.pad_token_id
    assert 0.3 < nameless[:, 3].float().mean() < 0.5
    assert 0.3 < nameless[:, 4].float().mean() < 0.5
    assert not (nameless[:, 3] & nameless[:, 4]).any()
    assert (~batch["bind"]).any(dim=0).equal(nameless[:, 4])
    assert batch["bound"].any()
    assert not batch["asked"].all()
    loss = TowerLoss(BindingLoss(imagebind, tokenizer.pad_token_id), "video").train()
    values = learnt(loss, batch, 4)
    assert values[-1] < 0.9 * values[0]
    changed = {name.split(".")[1] for name, tensor in imagebind.state_dict().items() if not tensor.equal(before[name])}
    assert changed == {"vision"}
