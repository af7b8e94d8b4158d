"""Many visitors at once: `python benchmarks/visitors.py http://localhost:7860 --visitors 50`.

Every visitor has a cookie of their own and asks for a thing in a colour, all at the same moment, through the API that docs/API.md describes.
What is counted: replies, refusals with their sentences, replies that speak of what somebody else asked for, and seconds until the first word
and until the end.
"""

import argparse
import json
import statistics
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx

COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown")
THINGS = ("bird", "car", "bell", "drum", "cloud", "clock", "dog", "boat")
ASKED = ["Draw a {} {}", "Draw two small {} {}s", "Draw three {} {}s at night"]


@dataclass
class Told:
    """What one visitor saw."""

    ask: str
    wanted: tuple[str, str]
    text: str = ""
    problem: str = ""
    """The sentence of a refusal, or what else went wrong."""
    media: int = 0
    first: float = 0.0
    """Seconds until the first word."""
    total: float = 0.0
    finished: bool = field(default=False)

    @property
    def mixed_up(self) -> bool:
        """Whether the reply is not about what was asked for."""
        return self.finished and not all(word in self.text for word in self.wanted)


def visit(address: str, told: Told, together: threading.Barrier) -> None:
    """One visitor: opens the page, waits for all others, asks and follows."""
    with httpx.Client(base_url=address, timeout=httpx.Timeout(1800)) as client:
        client.get("/")
        together.wait()
        began = time.monotonic()
        answer, problem = _call(client, "turn", {"text": told.ask, "files": []}, "", {})
        if not answer:
            told.problem = problem
            return
        event = client.post("/gradio_api/call/events", json={"data": [answer[-1]["job"], 0]}).json()["event_id"]
        with client.stream("GET", f"/gradio_api/call/events/{event}") as lines:
            for line in lines.iter_lines():
                for one in json.loads(line.removeprefix("data: "))[0] if line.startswith("data: [") else ():
                    _take(told, one, time.monotonic() - began)


def _take(told: Told, event: dict[str, Any], seconds: float) -> None:
    if told.finished:
        return  # the end of a call says its last answer once more
    if event["event"] == "text":
        told.first = told.first or seconds
        told.text += event["text"]
    elif event["event"] == "media_ready":
        told.media += 1
    elif event["event"] == "failed":
        told.problem = event["message"]
    elif event["event"] == "done":
        told.total, told.finished = seconds, True


def _call(client: httpx.Client, endpoint: str, *data: object) -> tuple[list[Any], str]:
    """What an endpoint answers with, or the sentence with which it refuses."""
    asked = client.post(f"/gradio_api/call/{endpoint}", json={"data": data})
    if asked.status_code != 200:
        return [], asked.json().get("error") or asked.text
    answers, problem = [], ""
    with client.stream("GET", f"/gradio_api/call/{endpoint}/{asked.json()['event_id']}") as lines:
        for line in lines.iter_lines():
            if line.startswith("data: ["):
                answers.append(json.loads(line.removeprefix("data: "))[0])
            elif line.startswith("data: ") and line != "data: null":
                problem = str(json.loads(line.removeprefix("data: ")).get("error"))
    return answers, problem


def crowd(address: str, visitors: int) -> list[Told]:
    """What `visitors` of them saw who all ask at once."""
    told = []
    for number in range(visitors):
        colour, thing = COLOURS[number % 8], THINGS[(number // 8) % 8]
        told.append(Told(ASKED[number % len(ASKED)].format(colour, thing), (colour, thing)))
    together = threading.Barrier(visitors)
    threads = [threading.Thread(target=visit, args=(address, one, together)) for one in told]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return told


def main() -> None:
    """Asks, and prints what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("--visitors", type=int, default=50)
    given = parser.parse_args()
    told = crowd(given.address, given.visitors)
    done = [one for one in told if one.finished and not one.problem]
    lines = [
        f"{len(told)} visitors: {len(done)} replies with {sum(one.media for one in done)} media, {sum(one.mixed_up for one in done)} mixed up",
        *(f"{count} heard: {problem}" for problem, count in Counter(one.problem for one in told if one.problem).items()),
    ]
    if done:
        for name, values in (("first word", [one.first for one in done]), ("whole reply", [one.total for one in done])):
            lines.append(f"{name}: {statistics.median(values):.1f} s in the middle, {max(values):.1f} s at most")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
