"""The figures as SVG, drawn from the report's data alone; every mark says its numbers in words and in attributes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from evals.report import words
from evals.report.markup import Markup, el, join
from evals.report.scales import Scale, linear, logarithmic

WIDTH, HEIGHT = 520, 340
LEFT, RIGHT, TOP, BOTTOM = 56, 18, 14, 50
FAR = 30
"""How many times one cost of pass is another where both are drawn on a logarithmic axis."""
# About how wide a character of a label is.
_CHARACTER = 7.4
Data = Mapping[str, Any]
Colours = Mapping[str, int]


def frontier(benchmark: Data, colours: Colours, name: str) -> Markup | None:
    """Accuracy against cost per answer, with the line of what nothing else beats; ``None`` without a cost."""
    points = [point for point in benchmark["frontier"] if point["cost"]["value"] > 0]
    if not points:
        return None
    unit = benchmark["unit"]
    ends = [end for p in points for end in (p["cost"]["low"], p["cost"]["high"]) if end]
    x = logarithmic(min(ends), max(ends), LEFT, WIDTH - RIGHT)
    y = _accuracies([p["accuracy"] for p in points])
    best = sorted((p for p in points if p["efficient"]), key=lambda p: p["cost"]["value"])
    stairs = _stairs([(x(p["cost"]["value"]), y(p["accuracy"]["value"])) for p in best], x.end)
    marks = [_point(point, x, y, unit, colours[point["architecture"]]) for point in points]
    # Names of variants are long and many; the legend has them.
    named = [p for p in points if p["whole"]]
    labels = _labels([(x(p["cost"]["value"]), y(p["accuracy"]["value"]), p["architecture"]) for p in named])
    title = f"Accuracy and cost on {benchmark['name']}"
    said = "; ".join(_said(point, unit) for point in points)
    ours = ", ".join(p["architecture"] for p in best)
    return _figure(
        name,
        title,
        f"{said}. Not beaten in both: {ours}.",
        _axes(x, y, f"cost per answer ({words.unit_in_words(unit)})", "accuracy", _ticks_of(x, unit)),
        el("polyline", points=stairs, class_="pareto") if stairs else None,
        *marks,
        labels,
    )


def cost_of_pass(benchmark: Data, colours: Colours, name: str) -> Markup | None:
    """A bar for each architecture; one without a right answer is open, from its lower bound on."""
    unit = benchmark["unit"]
    rows = [r for r in benchmark["results"] if r["cost_of_pass"] is not None and r["cost_of_pass"]["low"] > 0]
    if not rows:
        return None
    finite = [v for r in rows for v in (r["cost_of_pass"][k] for k in ("low", "value", "high")) if v is not None]
    values = [r["cost_of_pass"]["value"] or r["cost_of_pass"]["low"] for r in rows]
    height, start, end = TOP + 44 * len(rows), 12, WIDTH - 100
    log = max(values) / min(values) > FAR
    x = logarithmic(min(finite), max(finite), start, end) if log else linear(0, max(finite), start, end)
    bars = [_bar(r, x, TOP + 44 * i, unit, colours[r["architecture"]]) for i, r in enumerate(rows)]
    said = "; ".join(f"{r['architecture']}: {' , '.join(words.cost_of_pass(r['cost_of_pass'], unit))}" for r in rows)
    axis = [
        join(
            el("line", x1=x(t), x2=x(t), y1=TOP, y2=height, class_="grid"),
            el("text", words.amount(t, unit) if unit["name"] == "USD" else words.number(t), x=x(t), y=height + 18,
               class_="tick", text_anchor="middle"),
        )
        for t in x.ticks()
    ]  # fmt: skip
    scale = ", logarithmic" if log else ""
    label = el("text", f"cost of a right answer ({words.unit_in_words(unit)}{scale})", x=WIDTH / 2,
               y=height + 38, class_="axis-label", text_anchor="middle")  # fmt: skip
    title = f"Cost of pass on {benchmark['name']}"
    return _figure(name, title, f"{said}.", *axis, *bars, label, height=height + 48)


def curves(benchmark: Data, protocol: str, colours: Colours, name: str) -> Markup | None:
    """What k samples give under one protocol, with bands; ``None`` where nothing has a curve."""
    found = [curve for curve in benchmark["curves"] if curve["protocol"] == protocol]
    if not found:
        return None
    ks = sorted({point["k"] for curve in found for point in curve["points"]})
    x = Scale(1, max(ks), LEFT, WIDTH - RIGHT, log=True)
    y = _accuracies([point for curve in found for point in curve["points"]])
    drawn = [_curve(curve, x, y, colours[curve["architecture"]]) for curve in found]
    ticks = [(float(k), str(k)) for k in ks if k & (k - 1) == 0 or k == max(ks)]
    ticks = [t for t in ticks if t[0] == max(ks) or x(max(ks)) - x(t[0]) > 18]
    said = "; ".join(
        f"{c['architecture']}: " + ", ".join(f"{words.share(p['value'])} at k = {p['k']}" for p in c["points"])
        for c in found
    )
    title = f"{protocol} on {benchmark['name']}"
    return _figure(name, title, f"{said}.", _axes(x, y, "samples k", protocol, ticks), *drawn)


def difference(data: Data, span: float) -> Markup:
    """A small picture of a difference and its interval around zero, for a row of a table."""
    x = Scale(-span, span, 4, 116)
    low, high, value = x(data["low"]), x(data["high"]), x(data["value"])
    return el(
        "svg",
        el("line", x1=60, x2=60, y1=2, y2=18, class_="zero"),
        el("line", x1=low, x2=high, y1=10, y2=10, class_="whisker"),
        el("circle", cx=value, cy=10, r=3.5, class_="dot"),
        viewBox="0 0 120 20",
        class_="mini",
        aria_hidden="true",
    )


def fraction(data: Data) -> Markup:
    """A small picture of a share from 0 to 1 and its interval, for a row of a table."""
    x = Scale(0, 1, 4, 116)
    value = None if data["value"] is None else x(data["value"])
    return el(
        "svg",
        el("line", x1=4, x2=4, y1=2, y2=18, class_="zero"),
        el("line", x1=116, x2=116, y1=2, y2=18, class_="zero"),
        el("line", x1=x(data["low"]), x2=x(data["high"]), y1=10, y2=10, class_="whisker"),
        None if value is None else el("circle", cx=value, cy=10, r=3.5, class_="dot"),
        viewBox="0 0 120 20",
        class_="mini",
        aria_hidden="true",
    )


def _figure(name: str, title: str, text: str, *children: Markup | None, height: float = HEIGHT) -> Markup:
    return el(
        "svg",
        el("title", title, id=f"{name}-title"),
        el("desc", text, id=f"{name}-text"),
        *children,
        id=name,
        viewBox=f"0 0 {WIDTH} {height:.0f}",
        role="img",
        aria_labelledby=f"{name}-title {name}-text",
        class_="chart",
    )


def _accuracies(points: Sequence[Data]) -> Scale:
    low, high = min(p["low"] for p in points), max(p["high"] for p in points)
    scale = linear(low, high, HEIGHT - BOTTOM, TOP)
    return Scale(max(0.0, scale.low), min(1.0, scale.high), scale.start, scale.end)


def _ticks_of(x: Scale, unit: Data) -> list[tuple[float, str]]:
    return [(t, words.money(t) if unit["name"] == "USD" else words.number(t)) for t in x.ticks()]


def _axes(x: Scale, y: Scale, below: str, beside: str, ticks: Sequence[tuple[float, str]]) -> Markup:
    base = HEIGHT - BOTTOM
    return join(
        *(
            join(
                el("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y(t), y2=y(t), class_="grid"),
                el("text", words.number(t), x=LEFT - 8, y=y(t) + 4.5, class_="tick", text_anchor="end"),
            )
            for t in y.ticks()
        ),
        *(el("text", text, x=x(t), y=base + 18, class_="tick", text_anchor="middle") for t, text in ticks),
        el("line", x1=LEFT, x2=WIDTH - RIGHT, y1=base, y2=base, class_="axis"),
        el("text", below, x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 8, class_="axis-label", text_anchor="middle"),
        el("text", beside, x=14, y=(TOP + base) / 2, class_="axis-label", text_anchor="middle",
           transform=f"rotate(-90 14 {(TOP + base) / 2:.0f})"),
    )  # fmt: skip


def _point(point: Data, x: Scale, y: Scale, unit: Data, colour: int) -> Markup:
    cost, right = point["cost"], point["accuracy"]
    cx, cy = x(cost["value"]), y(right["value"])
    return el(
        "g",
        el("line", x1=x(cost["low"]), x2=x(cost["high"]), y1=cy, y2=cy, class_="whisker"),
        el("line", x1=cx, x2=cx, y1=y(right["low"]), y2=y(right["high"]), class_="whisker"),
        _symbol(cx, cy, colour, "dot" if point["efficient"] else "dot open"),
        class_=f"mark s{colour % 8}",
        tabindex=0,
        data_architecture=point["architecture"],
        data_x=repr(cost["value"]),
        data_y=repr(right["value"]),
        data_tip=_said(point, unit),
    )


def _said(point: Data, unit: Data) -> str:
    right, cost = point["accuracy"], point["cost"]
    return (
        f"{point['architecture']}: accuracy {words.share(right['value'])} ({words.interval(right)}), "
        f"{words.amount(cost['value'], unit)} per answer ({words.interval(cost, unit)})"
    )


def _symbol(cx: float, cy: float, colour: int, kind: str) -> Markup:
    """Colours repeat after eight, shapes tell them apart and help those who do not see colours."""
    r = 5.0
    shape = (colour + colour // 8) % 4
    if shape == 0:
        return el("circle", cx=cx, cy=cy, r=r, class_=kind)
    corners = {
        1: [(-r, -r), (r, -r), (r, r), (-r, r)],
        2: [(0, -1.35 * r), (1.35 * r, 0), (0, 1.35 * r), (-1.35 * r, 0)],
        3: [(0, -1.25 * r), (1.15 * r, 0.8 * r), (-1.15 * r, 0.8 * r)],
    }[shape]
    return el("polygon", points=" ".join(f"{cx + a:.1f},{cy + b:.1f}" for a, b in corners), class_=kind)


def _labels(places: Sequence[tuple[float, float, str]]) -> Markup:
    """Names beside their points, each where it lies on the fewest other names and points."""
    boxes = [(x - 6, y - 6, x + 6, y + 6) for x, y, _ in places]
    drawn = []
    for x, y, text in sorted(places, key=lambda place: (place[1], place[0])):
        wide = _CHARACTER * len(text)
        around = [(x + a, y + b) for b in (-6, 17, -21, 32, -36, 47, 62) for a in (8, -8 - wide, -wide / 2)]
        choices = [(min(max(a, 2.0), WIDTH - 2 - wide), min(max(b, 12.0), HEIGHT - BOTTOM - 3)) for a, b in around]
        taken = [(a, b - 11, a + wide, b + 3) for a, b in choices]
        best = min(range(len(choices)), key=lambda i: (sum(_overlap(taken[i], box) for box in boxes), i))
        boxes.append(taken[best])
        drawn.append(el("text", text, x=choices[best][0], y=choices[best][1], class_="label"))
    return join(*drawn)


def _overlap(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    wide = min(first[2], second[2]) - max(first[0], second[0])
    high = min(first[3], second[3]) - max(first[1], second[1])
    return max(0.0, wide) * max(0.0, high)


def _stairs(points: Sequence[tuple[float, float]], end: float) -> str:
    corners: list[tuple[float, float]] = []
    for x, y in points:
        if corners:
            corners.append((x, corners[-1][1]))
        corners.append((x, y))
    if corners:
        corners.append((end, corners[-1][1]))
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)


def _bar(row: Data, x: Scale, top: float, unit: Data, colour: int) -> Markup:
    found = row["cost_of_pass"]
    value, edge = found["value"], WIDTH - 92
    middle = top + 29
    shown, between = words.cost_of_pass(found, unit)
    tip = f"{row['architecture']}: {shown} ({between})"
    open_ = value is None
    first, last = (x(found["low"]), edge) if open_ else (x.start, x(value))
    high = edge if found["high"] is None else x(found["high"])
    return el(
        "g",
        el("text", row["architecture"], x=x.start, y=top + 14, class_="label"),
        el("rect", x=first, y=top + 20, width=max(1.0, last - first), height=18, class_="bar open" if open_ else "bar"),
        None if open_ else el("line", x1=x(found["low"]), x2=high, y1=middle, y2=middle, class_="whisker dark"),
        _arrow(edge, middle) if open_ or found["high"] is None else None,
        el("text", shown, x=edge + 8, y=middle + 5, class_="value"),
        class_=f"mark s{colour % 8}",
        tabindex=0,
        data_architecture=row["architecture"],
        data_x="infinite" if open_ else repr(value),
        data_low=repr(found["low"]),
        data_tip=tip,
    )


def _arrow(x: float, y: float) -> Markup:
    return el("path", d=f"M{x - 5:.1f} {y - 4:.1f}L{x:.1f} {y:.1f}L{x - 5:.1f} {y + 4:.1f}", class_="whisker dark")


def _curve(curve: Data, x: Scale, y: Scale, colour: int) -> Markup:
    points = curve["points"]
    over = [(x(p["k"]), y(p["high"])) for p in points]
    under = [(x(p["k"]), y(p["low"])) for p in reversed(points)]
    line = [(x(p["k"]), y(p["value"])) for p in points]
    marks = [
        el(
            "g",
            _symbol(px, py, colour, "dot"),
            class_="mark",
            tabindex=0,
            data_architecture=curve["architecture"],
            data_x=point["k"],
            data_y=repr(point["value"]),
            data_tip=f"{curve['architecture']}: {words.share(point['value'])} ({words.interval(point)}) at k = "
            f"{point['k']}, {words.count(point['n'], 'problem')}",
        )
        for point, (px, py) in zip(points, line, strict=True)
    ]
    return el(
        "g",
        el("polygon", points=_written([*over, *under]), class_="band"),
        el("polyline", points=_written(line), class_="line"),
        *marks,
        class_=f"s{colour % 8}",
    )


def _written(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.2f},{y:.2f}" for x, y in points)


def span_of(rows: Sequence[Data]) -> float:
    """The widest end of some differences, for a common scale."""
    return max((abs(row[end]) for row in rows for end in ("low", "high")), default=1.0) or math.inf
