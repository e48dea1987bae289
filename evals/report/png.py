"""The figures as pictures, for papers and slides; the page draws its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archon.errors import ConfigError
from evals.report import words
from evals.report.figures import FAR
from evals.report.scaling import PROTOCOLS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Data = Mapping[str, Any]
_SHAPES = "osD^vP*X"


def write_png(report: Data, folder: Path) -> list[Path]:
    """Write the frontier, the costs of pass and the curves of every benchmark.

    Returns:
        The files.

    Raises:
        ConfigError: matplotlib is not installed, or the folder cannot be made.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise ConfigError("--png needs matplotlib: pip install 'archon-inference[plots]'.") from None
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder}: the folder cannot be made: {error.strerror}.") from None
    colours = {a["name"]: index for index, a in enumerate(report["architectures"])}
    written = []
    for benchmark in report["benchmarks"]:
        for name, draw in _drawings(benchmark).items():
            figure = Figure(figsize=(7, 4.6), layout="constrained")
            FigureCanvasAgg(figure)
            draw(figure.subplots(), colours)
            path = folder / f"{_file_name(benchmark['name'])}-{name}.png"
            # Without the version in it the same figures are the same file.
            figure.savefig(path, dpi=200, metadata={"Software": None})
            written.append(path)
    return written


def _drawings(benchmark: Data) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if any(point["cost"]["value"] > 0 for point in benchmark["frontier"]):
        found["frontier"] = lambda axes, colours: _frontier(axes, benchmark, colours)
    if any(result["cost_of_pass"] is not None for result in benchmark["results"]):
        found["cost-of-pass"] = lambda axes, colours: _cost_of_pass(axes, benchmark, colours)
    for protocol in PROTOCOLS.values():
        if any(curve["protocol"] == protocol for curve in benchmark["curves"]):
            found[protocol.replace("@", "-at-")] = lambda axes, colours, protocol=protocol: _curves(
                axes, benchmark, protocol, colours
            )
    return found


def _file_name(text: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in text)


def _frontier(axes: Axes, benchmark: Data, colours: Mapping[str, int]) -> None:
    points = [point for point in benchmark["frontier"] if point["cost"]["value"] > 0]
    for point in points:
        place = colours[point["architecture"]]
        axes.errorbar(
            point["cost"]["value"],
            point["accuracy"]["value"],
            xerr=_sides(point["cost"]),
            yerr=_sides(point["accuracy"]),
            marker=_SHAPES[place % len(_SHAPES)],
            color=f"C{place % 10}",
            capsize=2,
            linestyle="none",
            label=f"{point['architecture']}, n = {point['n']:,}",
            # A variant may lie where its architecture does.
            zorder=3 if point["whole"] else 2,
        )
    best = sorted((p for p in points if p["efficient"]), key=lambda p: p["cost"]["value"])
    values = [p["cost"]["value"] for p in best], [p["accuracy"]["value"] for p in best]
    axes.step(*values, where="post", color="0.5", linestyle=":", zorder=0)
    axes.set(xlabel=f"cost per answer ({_costs(axes, benchmark, log=True)})", ylabel="accuracy")
    _explained(axes, benchmark)


def _cost_of_pass(axes: Axes, benchmark: Data, colours: Mapping[str, int]) -> None:
    rows = [row for row in benchmark["results"] if row["cost_of_pass"] is not None]
    ends = [row["cost_of_pass"][end] for row in rows for end in ("low", "value", "high")]
    finite = [end for end in ends if end] or [1.0]
    shown = [row["cost_of_pass"]["value"] or row["cost_of_pass"]["low"] or 1.0 for row in rows]
    log = max(shown) / min(shown) > FAR
    start, edge = (min(finite) / 1.5, 1.5 * max(finite)) if log else (0.0, 1.15 * max(finite))
    for place, row in enumerate(rows):
        found, colour = row["cost_of_pass"], f"C{colours[row['architecture']] % 10}"
        if found["value"] is None:
            axes.barh(place, edge - found["low"], left=found["low"], fill=False, linestyle="--", edgecolor=colour)
        else:
            sides = _sides({**found, "high": edge if found["high"] is None else found["high"]})
            axes.barh(place, found["value"] - start, left=start, color=colour, alpha=0.75)
            axes.errorbar(found["value"], place, xerr=sides, color="0.2", capsize=3)
        if found["high"] is None:
            axes.annotate(" ∞", (edge, place), va="center", annotation_clip=False)
    names = [f"{row['architecture']}\nn = {row['cost_of_pass']['n']:,}" for row in rows]
    axes.set_yticks(range(len(rows)), names, fontsize="small")
    axes.invert_yaxis()
    if (figure := axes.get_figure(root=True)) is not None:
        # Below the whole picture: long names leave the axis little room.
        label = f"cost of a right answer ({_costs(axes, benchmark, log=log)})"
        figure.supxlabel(label, fontsize="medium")
    axes.set_xlim(start, edge)
    axes.set_title(f"{benchmark['name']}, 95 % intervals")


def _curves(axes: Axes, benchmark: Data, protocol: str, colours: Mapping[str, int]) -> None:
    found = [curve for curve in benchmark["curves"] if curve["protocol"] == protocol]
    for curve in found:
        points = curve["points"]
        place = colours[curve["architecture"]]
        ks = [point["k"] for point in points]
        label = f"{curve['architecture']}, n = {points[0]['n']:,}"
        mark = _SHAPES[place % len(_SHAPES)]
        axes.plot(ks, [p["value"] for p in points], marker=mark, color=f"C{place % 10}", label=label)
        low, high = ([p[end] for p in points] for end in ("low", "high"))
        axes.fill_between(ks, low, high, color=f"C{place % 10}", alpha=0.15)
    ticks = sorted({point["k"] for curve in found for point in curve["points"]})
    axes.set_xscale("log", base=2)
    axes.set_xticks(ticks, [str(k) for k in ticks])
    axes.set(xlabel="samples k", ylabel=protocol)
    _explained(axes, benchmark)


def _costs(axes: Axes, benchmark: Data, *, log: bool) -> str:
    """Make the horizontal axis one of costs; what stands behind its name."""
    unit = benchmark["unit"]
    axes.set_xscale("log" if log else "linear")
    axes.xaxis.set_major_formatter(lambda value, _: words.amount(value, unit))
    return words.unit_in_words(unit)


def _explained(axes: Axes, benchmark: Data) -> None:
    """The title, and below the picture, where it hides nothing, whose marks are whose."""
    axes.set_title(f"{benchmark['name']}, 95 % intervals")
    if (figure := axes.get_figure(root=True)) is not None:
        figure.legend(loc="outside lower center", ncols=2, fontsize="small", frameon=False)


def _sides(data: Data) -> list[list[float]]:
    # At 0 and 1 an end of the interval may be off by a rounding, to the wrong side.
    return [[max(0.0, data["value"] - data["low"])], [max(0.0, data["high"] - data["value"])]]
