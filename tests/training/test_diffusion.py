import torch

from nextgpt_chat.training.diffusion import Beginning, new_scheduler, noise_from


def test_covering_a_source_is_the_same_as_covering_the_target_under_the_noise_that_is_learnt() -> None:
    scheduler = new_scheduler()
    source, target = torch.randn(2, 64, 4, 5, 5, generator=torch.Generator().manual_seed(1))
    torch.manual_seed(2)
    plain = torch.randn_like(target)
    torch.manual_seed(2)
    noise, times = noise_from(source, target, scheduler, Beginning(1.0, (0.6, 0.6)))
    last = torch.full((64,), 599)  # the first step that a pipeline takes at strength 0.6
    covered = scheduler.add_noise(source, plain, last)
    assert torch.allclose(scheduler.add_noise(target, noise, last), covered, atol=1e-5)
    assert 0 <= times.min() <= times.max() < 600


def test_others_begin_from_nothing() -> None:
    source, target = torch.randn(2, 4000, 4, generator=torch.Generator().manual_seed(1))
    torch.manual_seed(2)
    plain = torch.randn_like(target)
    torch.manual_seed(2)
    noise, times = noise_from(source, target, new_scheduler(), Beginning(0.25, (0.3, 0.7)))
    begun = (noise != plain).any(dim=1)
    assert abs(begun.float().mean() - 0.25) < 0.03
    assert times[~begun].max() > 980
    assert times[begun].max() < 700
