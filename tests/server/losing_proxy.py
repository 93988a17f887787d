"""A proxy on the loopback that passes requests on, and loses the answers to the first ones."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

KEPT = ("content-type", "authorization", "idempotency-key", "user_id")


class LosingProxy(ThreadingHTTPServer):
    """Passes on to `target`; the answers to the next `losses` requests that change something are never sent."""

    daemon_threads = True

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = urlsplit(target).netloc
        self.losses = 0
        self.lost = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: LosingProxy
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Pass it on."""
        self._pass_on(lose=False)

    def do_POST(self) -> None:
        """Pass it on; lose the answer if it is to be lost."""
        lose = self.server.lost < self.server.losses
        self.server.lost += lose
        self._pass_on(lose=lose)

    def _pass_on(self, *, lose: bool) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        upstream = HTTPConnection(self.server.target, timeout=30)
        try:
            headers = {name: value for name in KEPT if (value := self.headers.get(name)) is not None}
            upstream.request(self.command, self.path, body, headers)
            answer = upstream.getresponse()
            told = answer.read()
        finally:
            upstream.close()
        if lose:
            self.close_connection = True
            self.connection.close()
            return
        self.send_response(answer.status)
        self.send_header("content-type", answer.headers["content-type"])
        self.send_header("content-length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def losing_proxy(target: str) -> Iterator[LosingProxy]:
    """Give a proxy before a server."""
    with LosingProxy(target) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
