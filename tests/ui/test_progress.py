from nextgpt_chat.events import MediaProgress
from nextgpt_chat.ui.progress import Progress, time_left


def test_the_time_that_is_left_follows_from_the_steps_that_were_seen() -> None:
    progress = Progress("image")
    assert str(progress) == "Drawing ▱▱▱▱▱▱▱▱▱▱▱▱"
    progress.add(MediaProgress(0, 1, 20), at=100)
    assert str(progress).endswith("step 1 of 20")
    progress.add(MediaProgress(0, 3, 20), at=101)
    assert str(progress) == "Drawing ▰▰▱▱▱▱▱▱▱▱▱▱ step 3 of 20, about 8 s left"
    progress.add(MediaProgress(0, 20, 20), at=110)
    assert str(progress) == "Drawing ▰▰▰▰▰▰▰▰▰▰▰▰ step 20 of 20"


def test_steps_that_a_page_hears_of_at_once_were_not_made_at_once() -> None:
    progress = Progress("video")
    for step in (1, 2, 10):
        progress.add(MediaProgress(0, step, 20), at=50)
    progress.add(MediaProgress(0, 11, 20), at=52)
    assert str(progress).endswith("step 11 of 20, about 18 s left")


def test_long_times_are_minutes() -> None:
    assert [time_left(seconds) for seconds in (2.4, 89, 130)] == ["2 s", "89 s", "2 min"]
