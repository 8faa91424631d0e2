"""A server of files on this machine that can fail, cut short, change, stall and dribble."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Answer:
    """What the server is about to send; a fault changes it."""

    status: int
    headers: dict[str, str]
    body: bytes
    cut: int | None = None
    chunked: bool = False
    pause: float = 0.0
    dribble: float = 0.0


Fault = Callable[[Answer], None]


@dataclass
class Files:
    """What the server has, what it has been asked, and the faults of the next answers, one each."""

    address: str
    content: dict[str, bytes] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    faults: list[Fault | None] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    sent: int = 0
    ranges: bool = True
    marked: bool = True
    over: threading.Event = field(default_factory=threading.Event)


def fails(answer: Answer) -> None:
    answer.status, answer.body = 503, b"come again"
    answer.headers = {"Content-Length": str(len(answer.body))}


def cut_after(size: int) -> Fault:
    def fault(answer: Answer) -> None:
        answer.cut = size

    return fault


def unsized_and_cut_after(size: int) -> Fault:
    def fault(answer: Answer) -> None:
        answer.headers.pop("Content-Length", None)
        answer.cut = size

    return fault


def in_chunks(answer: Answer) -> None:
    answer.headers.pop("Content-Length", None)
    answer.headers["Transfer-Encoding"] = "chunked"
    answer.chunked = True


def corrupts(answer: Answer) -> None:
    middle = len(answer.body) // 2
    answer.body = (
        answer.body[:middle] + bytes(255 - one for one in answer.body[middle : middle + 8]) + answer.body[middle + 8 :]
    )


def stalls(answer: Answer) -> None:
    answer.cut, answer.pause = len(answer.body) // 2, 300.0


def dribbles(answer: Answer) -> None:
    answer.dribble = 0.02


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    files: Files

    def do_GET(self) -> None:
        files = self.files
        path = self.path.removeprefix(files.address)
        asked = self.headers.get("Range", "")
        files.asked.append((path, asked))
        fault = files.faults.pop(0) if files.faults else None
        answer = self._answer(path, asked)
        if fault is not None:
            fault(answer)
        self._send(answer)

    def _answer(self, path: str, asked: str) -> Answer:
        files = self.files
        if path not in files.content:
            return Answer(404, {"Content-Length": "0"}, b"")
        body, tag = files.content[path], f'"{files.versions.get(path, "1")}"'
        headers = {"ETag": tag} if files.marked else {}
        if asked and files.ranges and self.headers.get("If-Range") == tag:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(body):
                return Answer(416, {"Content-Length": "0"}, b"")
            headers |= {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}
            body = body[start:]
            return Answer(206, headers | {"Content-Length": str(len(body))}, body)
        return Answer(200, headers | {"Content-Length": str(len(body))}, body)

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if "Content-Length" not in answer.headers or answer.cut is not None:
            self.close_connection = True
        self.end_headers()
        body = answer.body[: answer.cut]
        try:
            if answer.chunked:
                for start in range(0, len(body), 1000):
                    piece = body[start : start + 1000]
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                self.wfile.write(b"0\r\n\r\n")
            elif answer.dribble:
                self._dribble(body, answer.dribble)
            else:
                self.files.sent += len(body) if answer.status < 300 else 0  # first: then the client may look
                self.wfile.write(body)
            self.wfile.flush()
            self.files.over.wait(answer.pause)
        except OSError:
            self.close_connection = True  # the client has gone

    def _dribble(self, body: bytes, seconds: float) -> None:
        for one in body[:15_000]:
            self.files.sent += 1
            self.wfile.write(bytes([one]))
            self.wfile.flush()
            if self.files.over.wait(seconds):
                break
        self.close_connection = True

    def log_message(self, *details: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[Files]:
    """Serve on a free port of the loopback address for as long as the context lasts."""
    handler = type("Handler", (_Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    files = Files(f"http://127.0.0.1:{server.server_address[1]}")
    handler.files = files
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield files
    finally:
        files.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
