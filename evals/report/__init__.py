"""Reports: what evaluations came to, as a page, Markdown, JSON and pictures."""

from evals.report.analysis import analyse
from evals.report.html import to_html
from evals.report.load import load
from evals.report.markdown import claims_to_markdown, to_markdown
from evals.report.png import write_png
from evals.report.settings import Contender, Run, Settings
from evals.report.traces import with_traces
from evals.report.write import to_json, write_html, write_json, write_markdown

__all__ = [
    "Contender",
    "Run",
    "Settings",
    "analyse",
    "claims_to_markdown",
    "load",
    "to_html",
    "to_json",
    "to_markdown",
    "with_traces",
    "write_html",
    "write_json",
    "write_markdown",
    "write_png",
]
