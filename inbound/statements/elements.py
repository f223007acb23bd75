"""Elements of an XML file by their local names, so that every version of a format is read alike."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element


def local(element: Element) -> str:
    """The name of an element without its namespace."""
    return element.tag.rpartition("}")[2]


def every(element: Element, name: str) -> Iterator[Element]:
    """The elements of a name, at any depth."""
    return (one for one in element.iter() if local(one) == name)


def children(element: Element, name: str) -> Iterator[Element]:
    """The elements of a name right below."""
    return (one for one in element if local(one) == name)


def find(element: Element, path: str) -> Element | None:
    """The first element at a path of names, such as `Refs/EndToEndId`."""
    found: Element | None = element
    for name in path.split("/"):
        found = next(children(found, name), None) if found is not None else None
    return found


def text_at(element: Element, path: str) -> str:
    """The text at a path; empty where there is none."""
    found = find(element, path)
    return (found.text or "").strip() if found is not None else ""
