"""The figures as pictures, for papers and slides; the page draws its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archon.errors import ConfigError
from evals.report import words
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
            label=point["architecture"],
        )
    best = sorted((p for p in points if p["efficient"]), key=lambda p: p["cost"]["value"])
    values = [p["cost"]["value"] for p in best], [p["accuracy"]["value"] for p in best]
    axes.step(*values, where="post", color="0.5", linestyle=":", zorder=0)
    axes.set_xscale("log")
    axes.set(xlabel=f"cost per answer ({words.unit_in_words(benchmark['unit'])})", ylabel="accuracy")
    axes.set_title(benchmark["name"])
    axes.legend(fontsize="small")


def _cost_of_pass(axes: Axes, benchmark: Data, colours: Mapping[str, int]) -> None:
    rows = [row for row in benchmark["results"] if row["cost_of_pass"] is not None]
    finite = [v for row in rows for v in row["cost_of_pass"].values() if isinstance(v, float)]
    edge = 1.15 * max(finite, default=1.0)
    for place, row in enumerate(rows):
        found, colour = row["cost_of_pass"], f"C{colours[row['architecture']] % 10}"
        if found["value"] is None:
            axes.barh(place, edge - found["low"], left=found["low"], fill=False, linestyle="--", edgecolor=colour)
            axes.annotate(" ∞", (edge, place), va="center")
            continue
        high = edge if found["high"] is None else found["high"]
        sides = [[found["value"] - found["low"]], [high - found["value"]]]
        axes.barh(place, found["value"], color=colour, alpha=0.75, xerr=sides, capsize=3)
    axes.set_yticks(range(len(rows)), [row["architecture"] for row in rows])
    axes.invert_yaxis()
    axes.set(xlabel=f"cost of a right answer ({words.unit_in_words(benchmark['unit'])})", title=benchmark["name"])


def _curves(axes: Axes, benchmark: Data, protocol: str, colours: Mapping[str, int]) -> None:
    for curve in benchmark["curves"]:
        if curve["protocol"] != protocol:
            continue
        colour = f"C{colours[curve['architecture']] % 10}"
        ks = [point["k"] for point in curve["points"]]
        axes.plot(ks, [p["value"] for p in curve["points"]], marker="o", color=colour, label=curve["architecture"])
        low, high = ([p[end] for p in curve["points"]] for end in ("low", "high"))
        axes.fill_between(ks, low, high, color=colour, alpha=0.15)
    axes.set_xscale("log", base=2)
    axes.set(xlabel="samples k", ylabel=protocol, title=benchmark["name"])
    axes.legend(fontsize="small")


def _sides(data: Data) -> list[list[float]]:
    return [[data["value"] - data["low"]], [data["high"] - data["value"]]]
