import torch

from nextgpt_chat.encode.imagebind import TEXT, ImageBind, ImageBindConfig
from nextgpt_chat.generate.text_encoder import clip_text_model, prompt_embeddings


def test_the_same_text_tower_under_another_name() -> None:
    torch.manual_seed(0)
    imagebind = ImageBind(ImageBindConfig(vocabulary=50)).eval()
    for parameter in imagebind.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    ids = torch.randint(0, 50, (3, 16))
    states = prompt_embeddings(clip_text_model(imagebind, imagebind.config.trunks[TEXT].blocks, 16, 1, 2, 0), ids)
    pooled = torch.nn.functional.normalize(imagebind.modality_heads[TEXT]["proj"](states[:, 9]), dim=-1)
    assert torch.allclose(pooled, imagebind.encode_text(ids, torch.full((3,), 9)), atol=1e-5)


def test_fewer_blocks_are_the_beginning_of_the_tower() -> None:
    torch.manual_seed(0)
    imagebind = ImageBind(ImageBindConfig(vocabulary=50)).eval()
    ids = torch.randint(0, 50, (2, 16))
    trunk = imagebind.modality_trunks[TEXT]
    ahead = torch.full((16, 16), float("-inf")).triu(1)
    tokens = trunk["blocks"][0](trunk["pre_transformer_layer"](imagebind.modality_preprocessors[TEXT](ids)), ahead)
    expected = imagebind.modality_heads[TEXT]["norm"](tokens)
    assert torch.allclose(prompt_embeddings(clip_text_model(imagebind, 1, 16, 1, 2, 0), ids), expected, atol=1e-5)


def test_without_blocks_a_prompt_is_its_words_and_their_places() -> None:
    torch.manual_seed(0)
    imagebind = ImageBind(ImageBindConfig(vocabulary=50)).eval()
    ids = torch.randint(0, 50, (2, 16))
    expected = imagebind.modality_heads[TEXT]["norm"](imagebind.modality_preprocessors[TEXT](ids))
    assert torch.allclose(prompt_embeddings(clip_text_model(imagebind, 0, 16, 1, 2, 0), ids), expected, atol=1e-5)
