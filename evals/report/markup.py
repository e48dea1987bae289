"""HTML and SVG from nested calls: text is escaped unless it is markup already, since models write what they like."""

from __future__ import annotations

from html import escape
from typing import Any

_VOID = {"meta", "input", "line", "rect", "circle", "path", "polyline", "polygon", "br"}


class Markup(str):
    """Text that is markup; only :func:`el` and :func:`join` make it, and constants in the source."""

    __slots__ = ()


def el(name: str, /, *children: str | Markup | None, **attributes: Any) -> Markup:
    """An element; ``None`` is left out, and attributes are written ``class_`` or ``aria_label``."""
    written = "".join(_attribute(key, value) for key, value in attributes.items() if value is not None)
    if name in _VOID:
        inner = join(*children)
        return Markup(f"<{name}{written}>{inner}</{name}>" if inner else f"<{name}{written}/>")
    return Markup(f"<{name}{written}>{join(*children)}</{name}>")


def join(*children: str | Markup | None) -> Markup:
    """Pieces one after another, text among them escaped."""
    return Markup("".join(c if isinstance(c, Markup) else escape(c) for c in children if c is not None))


def _attribute(key: str, value: Any) -> str:
    name = key.rstrip("_").replace("_", "-") if key != "viewBox" else key
    if value is True:
        return f" {name}"
    if isinstance(value, float):
        value = f"{value:.2f}".rstrip("0").rstrip(".")
    return f' {name}="{escape(str(value))}"'
