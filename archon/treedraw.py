"""Pictures of search trees: SVG with a layout of its own, and the dot language for Graphviz."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from archon.tree import Node, View

BOX_WIDTH, BOX_HEIGHT = 216, 36
COLUMN, ROW = BOX_WIDTH + 44, BOX_HEIGHT + 18
MARGIN, HEAD = 24, 64
LETTERS = 34

INK, FAINT, CHOSEN, EDGE = "#1b1f24", "#68717c", "#0b7a4b", "#c3cad2"
WORST, BEST = (250, 214, 205), (188, 230, 205)
# Everything that XML 1.0 cannot hold, in whatever form.
NO_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def shortened(text: str, letters: int) -> str:
    """A text on one line, its end left out where it has more than so many letters."""
    line = " ".join(text.split())
    return line if len(line) <= letters else line[: letters - 1].rstrip() + "…"


def layout(children: Mapping[int, Sequence[int]]) -> dict[int, float]:
    """A row for everything in a tree, the first being 0: tidy, as in Reingold and Tilford 1981.

    Whatever has the same depth is at least one row apart and in order, and a parent stands in the middle between its
    first and its last child; subtrees are as close to each other as their outlines allow.

    Args:
        children: The numbers of the children of each node, all higher than its own; the root is 0.
    """
    offset: dict[int, float] = {0: 0.0}
    outlines: dict[int, tuple[list[float], list[float]]] = {}
    numbers = sorted({0, *children, *(child for following in children.values() for child in following)})
    for number in reversed(numbers):
        upper, lower = [0.0], [0.0]
        following = children.get(number, ())
        places: list[float] = []
        tops: list[float] = []
        bottoms: list[float] = []
        for child in following:
            above, below = outlines.pop(child)
            place = max((bottom + 1 - top for bottom, top in zip(bottoms, above, strict=False)), default=0.0)
            places.append(place)
            tops += [place + top for top in above[len(tops) :]]
            bottoms[: len(below)] = [place + bottom for bottom in below]
        if places:
            middle = (places[0] + places[-1]) / 2
            offset.update({child: place - middle for child, place in zip(following, places, strict=True)})
            upper += [top - middle for top in tops]
            lower += [bottom - middle for bottom in bottoms]
        outlines[number] = upper, lower
    rows = {0: 0.0}
    for number in numbers:
        for child in children.get(number, ()):
            rows[child] = rows[number] + offset[child]
    highest = min(rows.values())
    return {number: row - highest for number, row in rows.items()}


def to_svg(view: View, title: str, about: str) -> str:
    """A picture of a tree, from left to right.

    A box per step holds its text (all of it on hovering), its reward, which also gives the colour, its tokens and what
    became of it. The chosen way is drawn strongly; answers have a bold frame, what was cut off a dashed one.

    Args:
        view: What to draw.
        title: The line above it.
        about: The smaller line below that.
    """
    rows, shown = layout(view.children), view.shown
    deepest = max(node.depth for node in shown)
    width = MARGIN * 2 + deepest * COLUMN + BOX_WIDTH
    height = HEAD + MARGIN + max(rows.values()) * ROW + BOX_HEIGHT
    svg = Element("svg", xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {width:g} {height:g}")
    svg.attrib.update({"width": f"{width:g}", "height": f"{height:g}", "font-family": "Helvetica, Arial, sans-serif"})
    SubElement(svg, "title").text = _xml(title)
    SubElement(svg, "rect", width="100%", height="100%", fill="white")
    letters = int((width - 2 * MARGIN) / 8)
    _text(svg, MARGIN, 28, shortened(title, letters), size=15, weight="bold")
    _text(svg, MARGIN, 47, shortened(about, letters), size=11, fill=FAINT)
    at = {node.number: (MARGIN + node.depth * COLUMN, HEAD + rows[node.number] * ROW) for node in shown}
    # The chosen way comes last, on top of the others.
    for node in sorted(shown, key=lambda node: node.number in view.tree.chosen):
        if node.number:
            _edge(svg, at[node.parent], at[node.number], chosen=node.number in view.tree.chosen)
    for node in shown:
        _box(svg, node, *at[node.number], chosen=node.number in view.tree.chosen)
        if hidden := view.hidden.get(node.number):
            x, y = at[node.number]
            _text(svg, x + 9, y + BOX_HEIGHT + 11, f"+ {hidden}", size=9, fill=FAINT)
    indent(svg)
    return tostring(svg, encoding="unicode") + "\n"


def _edge(svg: Element, start: tuple[float, float], end: tuple[float, float], *, chosen: bool) -> None:
    x, y = start[0] + BOX_WIDTH, start[1] + BOX_HEIGHT / 2
    to_x, to_y = end[0], end[1] + BOX_HEIGHT / 2
    middle = (x + to_x) / 2
    drawn = f"M{x:g} {y:g}C{middle:g} {y:g} {middle:g} {to_y:g} {to_x:g} {to_y:g}"
    stroke, strength = (CHOSEN, "2.5") if chosen else (EDGE, "1.2")
    SubElement(svg, "path", {"d": drawn, "fill": "none", "stroke": stroke, "stroke-width": strength})


def _box(svg: Element, node: Node, x: float, y: float, *, chosen: bool) -> None:
    group = SubElement(svg, "g")
    frame = {"x": f"{x:g}", "y": f"{y:g}", "width": str(BOX_WIDTH), "height": str(BOX_HEIGHT), "rx": "6"}
    frame |= {"fill": _colour(node.score), "stroke": CHOSEN if chosen else FAINT if node.complete else EDGE}
    frame["stroke-width"] = "2" if chosen or node.complete else "1"
    if node.end == "length":
        frame["stroke-dasharray"] = "4 3"
    SubElement(group, "title").text = _xml(f"{node.number}: {node.step}" if node.number else "the question")
    SubElement(group, "rect", frame)
    weight = "bold" if chosen else "normal"
    first = shortened(node.step, LETTERS) if node.number else "question"
    _text(group, x + 9, y + 15, first, size=11, weight=weight)
    _text(group, x + 9, y + 29, shortened(_facts(node), 44), size=9, fill=FAINT)


def _facts(node: Node) -> str:
    score = "" if node.score is None else f"{node.score:.2f}"
    tokens = "" if node.tokens is None or not node.number else f"{node.tokens} tokens"
    return " · ".join(part for part in (score, tokens, node.became) if part)


def _colour(score: float | None) -> str:
    if score is None:
        return "#f4f5f7"
    share = min(max(score, 0.0), 1.0)
    mixed = [round(low + (high - low) * share) for low, high in zip(WORST, BEST, strict=True)]
    return "#" + "".join(f"{part:02x}" for part in mixed)


def _text(
    parent: Element, x: float, y: float, text: str, *, size: int, fill: str = INK, weight: str = "normal"
) -> None:
    style = {"x": f"{x:g}", "y": f"{y:g}", "font-size": str(size), "fill": fill, "font-weight": weight}
    SubElement(parent, "text", style).text = _xml(text)


def _xml(text: str) -> str:
    return NO_XML.sub("�", text)


def to_dot(view: View, title: str) -> str:
    """A tree in the dot language, for Graphviz.

    Args:
        view: What to draw.
        title: The line above it.
    """
    lines = [
        "digraph {",
        f"  label={_quoted(title)} labelloc=t labeljust=l rankdir=LR fontname=Helvetica",
        '  node [shape=box style="rounded,filled" fontname=Helvetica fontsize=11]',
        f'  edge [color="{EDGE}" arrowhead=none]',
    ]
    for node in view.shown:
        chosen = node.number in view.tree.chosen
        label = "\n".join(part for part in (shortened(node.step, LETTERS) or "question", _facts(node)) if part)
        frame = f' color="{CHOSEN}" penwidth=2' if chosen else " penwidth=2" if node.complete else ""
        lines.append(f'  {node.number} [label={_quoted(label)} fillcolor="{_colour(node.score)}"{frame}]')
        if node.number:
            way = f' [color="{CHOSEN}" penwidth=2]' if chosen else ""
            lines.append(f"  {node.parent} -> {node.number}{way}")
        if hidden := view.hidden.get(node.number):
            lines.append(f"  h{node.number} [label={_quoted(f'+ {hidden}')} shape=plaintext style=solid]")
            lines.append(f"  {node.number} -> h{node.number} [style=dotted]")
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(text: str) -> str:
    # As JSON, of which dot knows the quotes and the line breaks; every other backslash has to be one by itself.
    plain = _xml(text).replace("\\", "⧵")
    return json.dumps(plain, ensure_ascii=False)
