"""Import and export through a server that runs."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from kelpie_core.errors import InvalidInput, StoreError
from kelpie_server import remote
from kelpie_server.multipart import read_form

AGENT = "agent-11111111-1111-4111-8111-111111111111"


class Answering(BaseHTTPRequestHandler):
    """A server that answers as the path says, and tells an import what it was sent."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer an export: whole, cut, or with the status that the id names."""
        if "cut" in self.path:
            self.send_response(200)
            self.send_header(*(("transfer-encoding", "chunked") if "chunk" in self.path else ("content-length", "100")))
            self.end_headers()
            self.wfile.write(b"1\r\n{\r\n")
            self.close_connection = True
        elif "status" in self.path:
            self.send_error(int(self.path.split("-")[1][:3]))
        else:
            self._say(200, b'{"agents":[]}')

    def do_POST(self) -> None:
        """Answer an import with its own options and file."""
        form = read_form(self.headers["content-type"], self.rfile.read(int(self.headers["content-length"])))
        told = [f"{name}={value}" for name, values in form.fields.items() for value in values]
        self._say(200, f'{{"agent_ids":["{" ".join(told)}","{form.files["file"].hex()}"]}}'.encode())

    def log_message(self, format: str, *values: object) -> None:
        """Say nothing."""

    def _say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Return where the answering server is."""
    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_import_is_a_form(url):
    """File and options arrive as they were given, whatever bytes they are."""
    assert ("name=Bö strip_messages=true", b"\r\n--\x00".hex()) == remote.import_file(
        url + "/", b"\r\n--\x00", {"name": "Bö", "strip_messages": "true"}
    )


def test_an_export_comes_whole(url):
    """The document arrives as it was sent."""
    assert b'{"agents":[]}' == b"".join(remote.export_file(url, AGENT))


@pytest.mark.parametrize("how", ["cut-length", "cut-chunk"])
def test_an_export_that_is_cut_is_an_error(url, how):
    """A document that breaks off does not pass for a whole one, however its length was to be known."""
    with pytest.raises(StoreError, match="broke off"):
        list(remote.export_file(url, how))


@pytest.mark.parametrize(("status", "error"), [(404, InvalidInput), (501, InvalidInput), (503, StoreError)])
def test_a_refusal_is_an_error(url, status, error):
    """What the server refuses is the caller's error, what fails there is the world's."""
    with pytest.raises(error, match=f"answered {status}"):
        list(remote.export_file(url, f"status-{status}"))


def test_no_server_is_an_error():
    """A server that does not answer is the world's error, and names the address."""
    with pytest.raises(StoreError, match=r"127\.0\.0\.1:1/"):
        list(remote.export_file("http://127.0.0.1:1", AGENT))


@pytest.mark.parametrize("bad", ["nothing", "ftp://a", "file:///etc/passwd"])
def test_a_url_is_of_http(bad):
    """Only a server can be asked: a file or another protocol is refused."""
    with pytest.raises(InvalidInput, match="not a URL"):
        remote.import_file(bad, b"", {})
