import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from nextgpt_chat.annotate.campaigns import Campaigns
from nextgpt_chat.annotate.desk import Desk
from nextgpt_chat.settings import Settings
from nextgpt_chat.store.store import open_store
from nextgpt_chat.store.tables import new_id
from tests.annotating import annotator, plan, work
from tests.conftest import CHECKPOINT, ROOT, open_again

pytestmark = pytest.mark.skipif(not CHECKPOINT.is_dir(), reason="the embedded checkpoint is missing")


def run(*arguments: str, data: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the command line as a person does, with its history in `data`."""
    command = [sys.executable, "-c", "from nextgpt_chat.cli import main; main()", *arguments]
    env = {**os.environ, "NEXTGPT_DATA": str(data), "OMP_NUM_THREADS": "2", **environment}
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=env, timeout=200)


def test_help_loads_no_tensors(tmp_path: Path) -> None:
    code = "import sys; from nextgpt_chat.cli import main; main(['--help']); assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(word in done.stdout for word in ("serve", "ask", "train", "evaluate", "doctor"))


def test_ask_answers_with_a_picture_and_goes_on(tmp_path: Path) -> None:
    first = run(
        "ask", "Draw a big red bird on the left by day", "--seed", "3", "--out", str(tmp_path / "out"), "--json", data=tmp_path
    )
    assert first.returncode == 0, first.stderr
    reply = json.loads(first.stdout)
    text, image = reply["parts"]
    assert "red bird" in text["text"]
    assert Path(image["file"]).read_bytes().startswith(b"\x89PNG")
    assert (reply["seed"], image["seed"], image["kind"]) == (3, 3, "image")
    assert reply["seconds"]["first_text"] < reply["seconds"]["total"]
    second = run("ask", "what colour is it?", "--conversation", reply["conversation"], "--json", data=tmp_path)
    assert json.loads(second.stdout)["conversation"] == reply["conversation"]
    assert "red" in json.loads(second.stdout)["parts"][0]["text"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["ask", ""], "The message is empty"),
        (["ask", "word " * 20_000], "characters"),
        (["ask", "hi", "--model", "nobody"], "There is no model called 'nobody'. Models here: tinyland."),
        (["ask", "hi", "--conversation", "0" * 32], "There is no such conversation."),
        (["ask", "hi", "--image", "missing.png"], "cannot be read"),
        (["account", "role"], "Say whose: nextgpt-chat account role NAME"),
        (["annotate", "report"], "Write: nextgpt-chat annotate report NAME"),
        (["annotate", "report", "nothing"], "There is no campaign called 'nothing'."),
        (["annotate", "create", "nothing.json"], "There is no file nothing.json."),
        (["account", "role", "nobody", "king"], "The roles are user, annotator, admin."),
        (["account", "role", "nobody", "admin"], "There is no account with the name nobody."),
        (["fly"], "There is no command 'fly'"),
    ],
)
def test_mistakes_get_a_sentence(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    done = run(*arguments, data=tmp_path)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_gets_a_sentence(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = run("serve", "--port", str(port), data=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"Port {port} on 127.0.0.1 cannot be used: ")
    assert "Traceback" not in done.stderr


def test_mistakes_as_json(tmp_path: Path) -> None:
    done = run("ask", "", "--json", data=tmp_path)
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"].startswith("The message is empty")


def test_a_missing_checkpoint(tmp_path: Path) -> None:
    done = run("serve", data=tmp_path, NEXTGPT_CHECKPOINTS=str(tmp_path))
    assert done.returncode == 1
    assert "train all" in done.stderr
    assert "Traceback" not in done.stderr


def test_doctor_finds_the_model(tmp_path: Path) -> None:
    done = run("doctor", data=tmp_path)
    assert "The model Tinyland is complete" in done.stdout
    assert "This machine can serve the app." in done.stdout
    assert "it fits cards of 8, 12, 16, 24, 48, 80 GB all at once" in done.stdout
    assert run("doctor", data=tmp_path, NEXTGPT_CHECKPOINTS=str(tmp_path)).returncode == 1


def test_an_account_becomes_an_admin(tmp_path: Path) -> None:
    store = open_store(Settings(data=tmp_path))
    store.accounts.create(new_id(), "ada", "seven small birds")
    store.close()
    assert run("account", "role", "ADA", "admin", data=tmp_path).stdout == "ADA is admin now.\n"
    assert run("account", "list", data=tmp_path).stdout == "ada  admin\n"


def test_a_campaign_is_made_reported_exported_and_verified(tmp_path: Path) -> None:
    file, folder = tmp_path / "campaign.json", tmp_path / "out"
    file.write_text(json.dumps(plan(2)), encoding="utf-8")
    assert run("annotate", "list", data=tmp_path).stdout == "There are no campaigns.\n"
    assert run("annotate", "create", str(file), data=tmp_path).stdout == "The campaign 'the campaign' is open.\n"
    store = open_again(Settings(data=tmp_path))
    work(Desk(store), annotator(store), Campaigns(store, Settings(data=tmp_path)).named("the campaign").id)
    store.close()
    assert "open: 4 of 4 answers, 2 of 6 judged" in run("annotate", "list", data=tmp_path).stdout
    assert "Krippendorff" in run("annotate", "report", "the campaign", data=tmp_path).stdout
    assert "2 judgements of 4 answers" in run("annotate", "export", "the campaign", str(folder), data=tmp_path).stdout
    assert (folder / "manifest.json").is_file()
    assert "is not empty" in run("annotate", "export", "the campaign", str(folder), data=tmp_path).stderr
    assert "0 judged items" in run("annotate", "import", "the campaign", str(folder / "label_studio.json"), data=tmp_path).stdout
    assert "records are as they were written" in run("annotate", "verify", "the campaign", data=tmp_path).stdout
    assert "is closed" in run("annotate", "close", "the campaign", data=tmp_path).stdout
