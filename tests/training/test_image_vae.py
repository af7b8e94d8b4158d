import random

import torch

from nextgpt_chat.tinyland.scene import Scene
from nextgpt_chat.training.base_parts.image_vae import VaeLoss, crowded_batch, new_vae, thing_weight
from nextgpt_chat.training.pictures import picture_batch, random_unnamed


def test_things_weigh_more_than_sky() -> None:
    weight = thing_weight(picture_batch([Scene("bell", "green", "big", "left")], random.Random(1)))[0, 0]
    assert weight[30:55, 5:25].mean() > 2
    assert (weight[:55, 40:] == 1).all()  # below are hills


def test_the_second_part_asks_for_edges_more() -> None:
    torch.manual_seed(0)
    vae = new_vae()
    pixels = picture_batch([Scene("cloud", "red")], random.Random(2))
    torch.manual_seed(1)
    first = VaeLoss(vae)(pixels)
    torch.manual_seed(1)
    second = VaeLoss(vae, sharp=True)(pixels)
    assert torch.equal(first["absolute"], second["absolute"])
    assert second["loss"] > first["loss"]


def test_a_crowded_picture_has_things_in_every_third() -> None:
    pictures = crowded_batch(random.Random(3), 24, (0.0, 0.0))
    filled = [[bool((weight[0, :55, start : start + 27] > 1).any()) for start in (0, 27, 53)] for weight in thing_weight(pictures)]
    assert 4 <= sum(all(thirds) for thirds in filled) <= 20


def test_colours_and_things_lack_names_in_the_shares_that_were_asked_for() -> None:
    unnamed = random_unnamed(random.Random(4), 4000, 0.35, 0.05)
    for name, share in (("colour", 0.35), ("thing", 0.05)):
        assert abs(sum(name in names for names in unnamed) / len(unnamed) - share) < 0.03
    assert all(len(names) <= 1 for names in unnamed)
