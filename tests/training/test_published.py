from typing import Any

from nextgpt_chat.training.published import as_mosit


def message(speaker: str, value: str, **more: str) -> dict[str, str]:
    return {"from": speaker, "value": value, **more}


def parts(item: dict[str, Any]) -> list[Any]:
    """Each turn as its role and its parts; a text is its words."""
    return [(turn["role"], *(part.get("text", part) for part in turn["parts"])) for turn in as_mosit(item)["turns"]]


def test_mosit_as_it_was_written() -> None:
    item = {
        "image_list": [{"image_name": "mosit_i_1.jpg", "caption": "storm clouds", "data_source": "flickr"}],
        "video_list": [],
        "audio_list": [{"audio_name": "mosit_a_1.wav", "caption": "thunder"}],
        "conversation": [
            message("human", "Did you hear it? <Audio>mosit_a_1.wav</Audio>"),
            message("gpt", "Yes! <Image>mosit_i_1.jpg</Image> What a sky. <Image>A dark sky</Image><Video> mosit_v_9.mp4 </Video>"),
            message("human", "I did."),
            message("gpt", "<Audio>mosit_a_1.wav</Audio>"),
        ],
    }
    assert parts(item) == [
        ("user", "Did you hear it?", {"kind": "audio", "file": "mosit_a_1.wav", "caption": "thunder"}),
        (
            "assistant",
            "Yes!",
            {"kind": "image", "caption": "storm clouds"},
            "What a sky.",
            {"kind": "image", "caption": "A dark sky"},
            {"kind": "video", "caption": None},
        ),
        ("user", "I did."),
        ("assistant", {"kind": "audio", "caption": "thunder"}),
    ]


def test_items_of_the_first_training() -> None:
    made = {
        "mm_name": "t2x0010.mp4",
        "output_modality": "video",
        "conversation": [
            message("human", "Film a dog.", input_modality="text"),
            message("gpt", "Look.", caption="a dog that runs", output_modality="video"),
        ],
    }
    assert parts(made) == [("user", "Film a dog."), ("assistant", "Look.", {"kind": "video", "caption": "a dog that runs"})]
    shown = {
        "image_name": "1.jpg",
        "output_modality": "text",
        "conversation": [
            message("human", "What is it?", input_modality="image"),
            message("gpt", "A dog.", caption="", output_modality="text"),
            message("human", "Sure?", input_modality="text"),
            message("gpt", "Yes.", caption="", output_modality="text"),
        ],
    }
    assert parts(shown) == [
        ("user", {"kind": "image", "file": "1.jpg", "caption": None}, "What is it?"),
        ("assistant", "A dog."),
        ("user", "Sure?"),
        ("assistant", "Yes."),
    ]
    marked = {**shown, "conversation": [message("human", "What is it?\n<image>", input_modality="image")]}
    assert parts(marked) == [("user", "What is it?", {"kind": "image", "file": "1.jpg", "caption": None})]
    unmarked = {"image_name": "1.jpg", "conversation": [message("human", "What is it?"), message("gpt", "A dog.")]}
    assert parts(unmarked) == [
        ("user", {"kind": "image", "file": "1.jpg", "caption": None}, "What is it?"),
        ("assistant", "A dog."),
    ]
    words = {
        "image_name": "00000000000",
        "output_modality": "text",
        "conversation": [message("human", "Hi", input_modality="text")],
    }
    assert parts(words) == [("user", "Hi")]


def test_items_of_the_second_training() -> None:
    item = {
        "input_video": ["a.mp4", "b.mp4"],
        "output_image": "c.jpg",
        "image_captions": "a dog",
        "image_caption_embeddings": "c.jpg.npy",
        "audio_captions": ["a bark", "a howl"],
        "conversations": [
            message("human", "<video>\n<video> Which one barks?"),
            message("gpt", "This: <image> <audio>"),
            message("human", "And howls?"),
            message("gpt", "So: <audio> <audio>", caption="of the message", output_modality="audio"),
        ],
    }
    assert parts(item) == [
        (
            "user",
            {"kind": "video", "file": "a.mp4", "caption": None},
            {"kind": "video", "file": "b.mp4", "caption": None},
            "Which one barks?",
        ),
        ("assistant", "This:", {"kind": "image", "caption": "a dog"}, {"kind": "audio", "caption": "a bark"}),
        ("user", "And howls?"),
        ("assistant", "So:", {"kind": "audio", "caption": "a howl"}, {"kind": "audio", "caption": "of the message"}),
    ]


def test_items_of_llava() -> None:
    shown = {
        "id": "000000033471",
        "image": "000000033471.jpg",
        "conversations": [
            message("human", "<image>\nWhat are the colors of the bus in the image?"),
            message("gpt", "The bus in the image is white and red."),
            message("human", "What feature can be seen on the back of the bus?"),
            message("gpt", "An advertisement."),
        ],
    }
    picture = {"kind": "image", "file": "000000033471.jpg", "caption": None}
    others = [
        ("assistant", "The bus in the image is white and red."),
        ("user", "What feature can be seen on the back of the bus?"),
        ("assistant", "An advertisement."),
    ]
    asked = "What are the colors of the bus in the image?"
    assert parts(shown) == [("user", picture, asked), *others]
    behind = {**shown, "conversations": [message("human", f"{asked}\n<image>"), *shown["conversations"][1:]]}
    assert parts(behind) == [("user", asked, picture), *others]
    words = {"id": "wgByO4Y_0", "model": "", "conversations": [message("human", "Hi"), message("gpt", "Hello!")]}
    assert parts(words) == [("user", "Hi"), ("assistant", "Hello!")]
