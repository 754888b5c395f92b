"""Elements of a page: trees, so that what they are told can never become markup."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias
from xml.etree import ElementTree

if TYPE_CHECKING:
    from collections.abc import Iterable

Element = ElementTree.Element
Child: TypeAlias = "Element | str | Iterable[Child] | None"


def element(tag: str, *children: Child, **attributes: str | float | None) -> Element:
    """An element with text and elements in it; None is left out.

    Attributes are written as in HTML, with _ for - and behind a word that is Python's: `class_`.
    """
    made = Element(tag)
    for name, value in attributes.items():
        if value is not None:
            made.set(name.rstrip("_").replace("_", "-"), str(value))
    for child in children:
        _append(made, child)
    return made


def document(root: Element) -> bytes:
    """A whole HTML page in UTF-8. What is no character, as in the name of a file, becomes one."""
    text = ElementTree.tostring(root, encoding="unicode", method="html")
    # NUL would be an error in a page, lone surrogates in its encoding.
    return ("<!DOCTYPE html>\n" + text.replace("\0", "\ufffd")).encode("utf-8", "replace")


def _append(parent: Element, child: Child) -> None:
    if isinstance(child, Element):
        parent.append(child)
    elif isinstance(child, str):
        _append_text(parent, child)
    elif child is not None:
        for one in child:
            _append(parent, one)


def _append_text(parent: Element, text: str) -> None:
    if len(parent):
        parent[-1].tail = (parent[-1].tail or "") + text
    else:
        parent.text = (parent.text or "") + text
