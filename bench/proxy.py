"""An HTTP proxy on 127.0.0.1 before an S3 server, which counts requests and bytes.

It passes on the Host header as it came: the signature covers it, and the server checks the signature with it.
"""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

_CHUNK = 1 << 16
_HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "expect",
}
_PATIENCE_S = 60.0


@dataclass(slots=True)
class Traffic:
    """What went through.

    Attributes:
        requests: by kind: GET, LIST, HEAD, PUT, POST, DELETE.
        failures: answers from 400 upwards, mostly questions for what does not exist.
        sent: bytes of bodies to the server.
        received: bytes of bodies from the server.
    """

    requests: Counter[str] = field(default_factory=Counter)
    failures: int = 0
    sent: int = 0
    received: int = 0

    def figures(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "requests": dict(self.requests),
            "failures": self.failures,
            "sent": self.sent,
            "received": self.received,
        }


class CountingProxy:
    """The running proxy.

    Attributes:
        endpoint: its URL.
    """

    def __init__(self, server_port: int) -> None:
        self.endpoint = ""
        self._server_port = server_port
        self._lock = threading.Lock()
        self._traffic = Traffic()

    @contextmanager
    def watch(self) -> Iterator[Traffic]:
        """Count what goes through while the block runs."""
        with self._lock:
            counted = self._traffic = Traffic()
        try:
            yield counted
        finally:
            with self._lock:
                self._traffic = Traffic()

    def connect(self) -> http.client.HTTPConnection:
        """A connection to the server."""
        return http.client.HTTPConnection("127.0.0.1", self._server_port, timeout=_PATIENCE_S)

    def count(self, kind: str, status: int, sent: int, received: int) -> None:
        """Note one request."""
        with self._lock:
            self._traffic.requests[kind] += 1
            self._traffic.failures += status >= 400
            self._traffic.sent += sent
            self._traffic.received += received


@contextmanager
def counting_proxy(server_port: int) -> Iterator[CountingProxy]:
    """Serve on a free port of 127.0.0.1, in threads, until the block ends."""
    proxy = CountingProxy(server_port)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": proxy}))
    server.daemon_threads = True
    proxy.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    """One connection of a client, with one of its own to the server."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    proxy: CountingProxy

    def setup(self) -> None:
        super().setup()
        self._server = self.proxy.connect()

    def finish(self) -> None:
        self._server.close()
        super().finish()

    def _pass_on(self) -> None:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            self.send_error(501, "a body of unknown length is not passed on")
            return
        size = int(self.headers.get("Content-Length") or 0)
        self._server.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in _HOP_BY_HOP:
                self._server.putheader(name, value)
        self._server.endheaders()
        left = size
        while left and (data := self.rfile.read(min(left, _CHUNK))):
            self._server.send(data)
            left -= len(data)
        answer = self._server.getresponse()
        received = self._answer(answer)
        self.proxy.count(_kind(self.command, self.path), answer.status, size, received)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on

    def _answer(self, answer: http.client.HTTPResponse) -> int:
        """Pass the answer on; return the bytes of its body."""
        length = answer.getheader("Content-Length")
        empty = self.command == "HEAD" or answer.status in (204, 304)
        # without a length the body must be read before its length can be told
        whole = b"" if empty or length is not None else answer.read()
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP_BY_HOP and name.lower() != "content-length":
                self.send_header(name, value)
        if length is not None or not empty:
            self.send_header("Content-Length", length if length is not None else str(len(whole)))
        self.end_headers()
        received = len(whole)
        self.wfile.write(whole)
        while not empty and (data := answer.read(_CHUNK)):
            self.wfile.write(data)
            received += len(data)
        answer.read()  # lets the connection be used again
        return received

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _kind(method: str, path: str) -> str:
    asked = parse_qs(urlsplit(path).query, keep_blank_values=True)
    if method == "GET" and ("list-type" in asked or "prefix" in asked or "delimiter" in asked):
        return "LIST"
    return method
