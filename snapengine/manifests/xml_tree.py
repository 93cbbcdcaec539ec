"""XML without its dangers: no document types, so no entities and nothing external."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from .presentation import bad

_MAX_DEPTH = 32
_MAX_ELEMENTS = 400_000


@dataclass(slots=True)
class Element:
    """An element by its local name; ``attributes`` by theirs, ``href`` of XLink among them."""

    name: str
    attributes: dict[str, str]
    children: list[Element] = field(default_factory=list)
    text: str = ""

    def get(self, name: str) -> str | None:
        return self.attributes.get(name)

    def all(self, name: str) -> Iterator[Element]:
        return (child for child in self.children if child.name == name)

    def first(self, name: str) -> Element | None:
        return next(self.all(name), None)


class _Forbidden(Exception):
    pass


def parse_xml(data: bytes, name: str) -> Element:
    """The root. Raises :class:`CorruptMedia` for what is not well-formed or declares a type."""
    root = Element("", {})
    open_elements = [root]
    count = 0

    def local(text: str) -> str:
        return text.rpartition(" ")[2]

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        if count > _MAX_ELEMENTS or len(open_elements) > _MAX_DEPTH:
            raise _Forbidden("too large or too deep")
        element = Element(local(tag), {local(k): v for k, v in attributes.items()})
        open_elements[-1].children.append(element)
        open_elements.append(element)

    def end(_: str) -> None:
        open_elements.pop()

    def text(data: str) -> None:
        open_elements[-1].text += data

    def doctype(*_: object) -> None:
        raise _Forbidden("a document type is not allowed")

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, _Forbidden, UnicodeError) as exc:
        raise bad(name, f"not usable as XML: {exc}") from exc
    return root.children[0]
