"""A real browser for pages, where one is installed; it reaches no network."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", exc_type=ImportError)
    executable = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if executable is None:
        pytest.skip("there is no Chromium here")
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield opened
        opened.close()


@contextmanager
def opened(browser: Any, path: Path) -> Iterator[Any]:
    """A page of a file, which may say nothing on the console, fail in nothing and ask for nothing else."""
    context = browser.new_context(offline=True, viewport={"width": 1200, "height": 900})
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith("file:") else said.append(request.url))
    page.goto(path.as_uri())
    yield page
    context.close()
    assert said == [], "no error, no word in the console, no request"


def marks(page: Any, figure: str) -> list[dict[str, Any]]:
    """What a figure's marks say, and where the browser put them."""
    found: list[dict[str, Any]] = page.eval_on_selector_all(
        f"#{figure} .mark",
        """all => all.map(m => { const b = m.querySelector('.dot, .bar').getBBox();
          return {...m.dataset, left: b.x, right: b.x + b.width, cx: b.x + b.width / 2, cy: b.y + b.height / 2}; })""",
    )
    return found
