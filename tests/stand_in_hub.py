"""A stand-in for the model hub on a local port: the few answers by which its client finds and fetches files, over folders."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "c" * 40
DAY = "2024-05-05T12:00:00.000Z"


@dataclass
class Hub:
    """What it has, and how it behaves."""

    repos: dict[str, Path]
    gated: set[str] = field(default_factory=set)
    cut: dict[str, int] = field(default_factory=dict)
    """Bytes after which the connection breaks, by name of file; once."""
    asked: list[str] = field(default_factory=list)
    """Every request for the contents of a file, with its range."""
    history: list[tuple[str, str]] = field(default_factory=lambda: [(COMMIT, DAY)])
    """Commits and their times, the newest first; told in pages of two."""
    url: str = ""


@contextmanager
def running(hub: Hub) -> Iterator[Hub]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(True)

        def do_HEAD(self) -> None:
            self._answer(False)

        def log_message(self, *_: object) -> None:
            pass

        def _answer(self, body: bool) -> None:
            path = unquote(urlsplit(self.path).path)
            if path.startswith("/api/models/"):
                owner, name, *asked = path.removeprefix("/api/models/").split("/")
                what, revision = [*asked, "revision", "main"][:2]
                self._about(f"{owner}/{name}", what, self._commit(revision))
            else:
                self._file(path, body)

        def _commit(self, revision: str) -> str:
            return hub.history[0][0] if revision == "main" else revision

        def _about(self, repo: str, what: str, commit: str) -> None:
            if repo not in hub.repos:
                self._say(404, {"X-Error-Code": "RepoNotFound"}, b"{}")
                return
            root = hub.repos[repo]
            files = sorted(path for path in root.rglob("*") if path.is_file())
            if what == "commits":
                self._commits()
                return
            if what == "tree":
                told: object = [
                    {
                        "type": "file",
                        "path": path.relative_to(root).as_posix(),
                        "size": path.stat().st_size,
                        "oid": hashlib.sha1(path.read_bytes()).hexdigest(),
                    }
                    for path in files
                ]
            else:
                told = {
                    "id": repo,
                    "sha": commit,
                    "gated": "manual" if repo in hub.gated else False,
                    "siblings": [{"rfilename": path.relative_to(root).as_posix(), "size": path.stat().st_size} for path in files],
                }
            self._say(200, {"Content-Type": "application/json"}, json.dumps(told).encode())

        def _commits(self) -> None:
            page = int(parse_qs(urlsplit(self.path).query).get("p", ["0"])[0])
            told = [
                {"id": commit, "date": day, "title": "", "message": "", "authors": []}
                for commit, day in hub.history[2 * page : 2 * page + 2]
            ]
            address = f"{hub.url}{urlsplit(self.path).path}?p={page + 1}"
            more = {"Link": f'<{address}>; rel="next"'} if hub.history[2 * page + 2 :] else {}
            self._say(200, {"Content-Type": "application/json"} | more, json.dumps(told).encode())

        def _file(self, path: str, body: bool) -> None:
            repo, _, name = path[1:].partition("/resolve/")
            commit = self._commit(name.partition("/")[0])
            file = hub.repos.get(repo, Path("/nowhere")) / name.partition("/")[2]
            if not name:  # a file beside the hub
                file = hub.repos.get("beside", Path("/nowhere")) / path[1:]
            if repo in hub.gated:
                self._say(403, {"X-Error-Code": "GatedRepo"}, b"")
                return
            if not file.is_file():
                self._say(404, {"X-Error-Code": "EntryNotFound"}, b"")
                return
            data, start = file.read_bytes(), 0
            if ranged := self.headers.get("Range"):
                start = int(ranged.removeprefix("bytes=").split("-")[0])
            headers = {"ETag": f'"{hashlib.sha1(data).hexdigest()}"', "X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
            if ranged:
                headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            if not body:
                self._say(200, headers | {"Content-Length": str(len(data))}, b"")
                return
            hub.asked.append(f"{file.name}@{start}")
            self._say(206 if ranged else 200, headers, data[start:], hub.cut.pop(file.name, None))

        def _say(self, status: int, headers: dict[str, str], data: bytes, cut: int | None = None) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if "Content-Length" not in headers:
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data if cut is None else data[:cut])
                if cut is not None:
                    self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
