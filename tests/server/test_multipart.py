"""A multipart form, read from bytes."""

import httpx
import pytest

from kelpie_core.errors import InvalidInput
from kelpie_server.multipart import Form, read_form

TYPE = "multipart/form-data; boundary=b"


def part(headers: str, data: str = "x") -> bytes:
    """Return a part of a form."""
    return f"--b\r\n{headers}\r\n\r\n{data}\r\n".encode()


def test_reads_what_a_client_sends():
    """Fields and files come out as a client put them in, whatever bytes they are."""
    data = bytes(range(256)) * 300
    request = httpx.Request("POST", "http://a", data={"name": "Bö", "n": ["1", "2"]}, files={"file": ("ä.af", data)})
    form = read_form(request.headers["content-type"], request.read())
    assert Form(fields={"name": ["Bö"], "n": ["1", "2"]}, files={"file": data}) == form


def test_reads_an_empty_file():
    """A file without content is a file."""
    body = part('Content-Disposition: form-data; name="file"; filename="a"', "") + b"--b--\r\n"
    assert {"file": b""} == read_form(TYPE, body).files


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", b"--b--\r\n"),
        ("", b""),
        (TYPE, b"no form"),
        (TYPE, b""),
        (TYPE, part('Content-Disposition: form-data; name="a"')),
        (TYPE, part('Content-Disposition: form-data; name="a"') + b"--b"),
        (TYPE, part("Content-Disposition: form-data") + b"--b--\r\n"),
        (TYPE, part("X-Other: 1") + b"--b--\r\n"),
        (TYPE, b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n\xff\r\n--b--\r\n'),
    ],
)
def test_refuses_what_is_no_form(content_type, body):
    """A body of another type, a form that breaks off, or a part without a name is the caller's error."""
    with pytest.raises(InvalidInput):
        read_form(content_type, body)
