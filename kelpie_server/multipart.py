"""A multipart form, read from bytes that are all there. No thread and no file of its own, unlike Starlette's."""

from email.message import Message

import attrs
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError

from kelpie_core.errors import InvalidInput


@attrs.frozen(kw_only=True)
class Form:
    """A form: its fields as lists of texts, its files by name."""

    fields: dict[str, list[str]]
    files: dict[str, bytes]


@attrs.define(eq=False)
class _Reader:
    """Gathers the parts as the parser finds them."""

    form: Form = attrs.field(factory=lambda: Form(fields={}, files={}))
    _name: bytes = b""
    _value: bytes = b""
    _headers: dict[str, str] = attrs.field(factory=dict)
    _data: list[bytes] = attrs.field(factory=list)
    _ended: bool = False

    def on_part_begin(self) -> None:
        self._headers, self._data = {}, []

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        self._headers[self._name.decode("latin-1").lower()] = self._value.decode("utf-8", "replace")
        self._name = self._value = b""

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._data.append(data[start:end])

    def on_part_end(self) -> None:
        parameters = _parameters(self._headers.get("content-disposition", ""))
        name, data = parameters.get("name"), b"".join(self._data)
        if name is None:
            raise InvalidInput("a part of the form has no name")
        if "filename" in parameters:
            self.form.files[name] = data
        else:
            self.form.fields.setdefault(name, []).append(_text(name, data))

    def on_end(self) -> None:
        self._ended = True

    def check_ended(self) -> None:
        """Raise InvalidInput if the form broke off."""
        if not self._ended:
            raise InvalidInput("the form breaks off")


def read_form(content_type: str, body: bytes) -> Form:
    """Return the form that a body holds; raise InvalidInput."""
    boundary = _parameters(content_type).get("boundary")
    if not content_type.lower().startswith("multipart/form-data") or not boundary:
        raise InvalidInput("expected a multipart/form-data body with a boundary")
    reader = _Reader()
    names = ("on_part_begin", "on_header_field", "on_header_value", "on_header_end", "on_part_data", "on_part_end")
    callbacks = {name: getattr(reader, name) for name in (*names, "on_end")}
    try:
        parser = MultipartParser(boundary.encode("latin-1"), callbacks)  # type: ignore[arg-type]
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise InvalidInput(f"the form is malformed: {error}") from error
    reader.check_ended()
    return reader.form


def _parameters(header: str) -> dict[str, str]:
    """Return the parameters of a header such as `form-data; name="file"; filename="a.af"`."""
    message = Message()
    message["content-type"] = header
    return dict(message.get_params(failobj=[])[1:])


def _text(name: str, data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput("is not UTF-8", path=f"$.{name}") from error
