"""What a docstring says of a function and of its arguments: Google style, reST and numpy style are read.

Nothing is guessed: a description that cannot be told apart stays in the text of the function.
"""

import re

import attrs

_GOOGLE = re.compile(r"^(args|arguments|parameters|params)\s*:\s*$", re.IGNORECASE)
_NUMPY = re.compile(r"^(parameters|other parameters)$", re.IGNORECASE)
# Sections behind the description that say nothing to who calls the function.
_END = re.compile(
    r"^(returns?|raises|yields?|return value|examples?|notes?|see also|references|warnings?)\s*:?\s*$", re.IGNORECASE
)
_ENTRY = re.compile(r"^(\*{0,2}\w+)\s*(\([^)]*\))?\s*:\s*(.*)$")
_NUMPY_ENTRY = re.compile(r"^(\w+)\s*(:.*)?$")
_FIELD = re.compile(r"^:(param|parameter|arg|argument)\s+(?:[^:]*\s)?(\w+)\s*:\s*(.*)$")
_OTHER_FIELD = re.compile(r"^:\w+[^:]*:")


@attrs.frozen(kw_only=True)
class Described:
    """The description of a function and, by name, of its arguments."""

    text: str = ""
    arguments: dict[str, str] = attrs.field(factory=dict)


def read_docstring(docstring: str) -> Described:
    """Return what a cleaned docstring says (as `ast.get_docstring` gives it)."""
    lines = docstring.strip().split("\n")
    start = next((n for n, line in enumerate(lines) if _starts_arguments(lines, n) or _FIELD.match(line)), None)
    end = next((n for n in range(len(lines)) if _END.match(lines[n]) and n > 0), len(lines))
    text = "\n".join(lines[: min(end, len(lines) if start is None else start)]).strip()
    if start is None:
        return Described(text=text)
    if _FIELD.match(lines[start]):
        return Described(text=text, arguments=_fields(lines[start:]))
    if _GOOGLE.match(lines[start]):
        return Described(text=text, arguments=_indented(lines[start + 1 :], _ENTRY))
    return Described(text=text, arguments=_numpy(lines[start + 2 :]))


def _starts_arguments(lines: list[str], n: int) -> bool:
    underlined = n + 1 < len(lines) and set(lines[n + 1].strip()) == {"-"}
    return _GOOGLE.match(lines[n]) is not None or (underlined and _NUMPY.match(lines[n]) is not None)


def _indented(lines: list[str], entry: "re.Pattern[str]") -> dict[str, str]:
    """Return the entries of an indented section; deeper lines go on with the entry before them."""
    found: dict[str, str] = {}
    depth, name = 0, None
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if line.strip() and not indent:
            break
        match = entry.match(line.strip()) if not depth or indent <= depth else None
        if match is not None:
            depth, name = indent, match[1].lstrip("*")
            found[name] = match[3].strip()
        elif name is not None and line.strip():
            found[name] = f"{found[name]} {line.strip()}".strip()
    return {name: text for name, text in found.items() if text}


def _numpy(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    name = None
    for n, line in enumerate(lines):
        if n + 1 < len(lines) and set(lines[n + 1].strip()) == {"-"}:
            break
        match = None if line.startswith(" ") else _NUMPY_ENTRY.match(line.strip())
        if match is not None:
            name = match[1]
        elif name is not None and line.strip():
            found[name] = f"{found.get(name, '')} {line.strip()}".strip()
    return found


def _fields(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    name = None
    for line in lines:
        match = _FIELD.match(line.strip())
        if match is not None:
            name = match[2]
            found[name] = match[3].strip()
        elif _OTHER_FIELD.match(line.strip()):
            name = None
        elif name is not None and line.strip():
            found[name] = f"{found[name]} {line.strip()}".strip()
    return {name: text for name, text in found.items() if text}
