"""The pages of the gate in a headless Chromium: `python -m tests.page.reports HOME PICTURES CHROMIUM`, of what `written.pages` writes.

Each at 360 and 1,440 px, light and dark, with all parts open, by keyboard, and in print: axe-core finds nothing, the console has no error,
no request leaves, nothing is wider than the screen, the text of a chart can be read, and markup in a name stays text.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright  # type: ignore[import-not-found]

from tests.page.browser import Look, require, window

WIDTHS, SCHEMES = (360, 1440), ("light", "dark")
LEAST_TEXT_PX = 9
_OPEN_ALL = "document.querySelectorAll('details').forEach(each => each.open = true)"
_SMALLEST_TEXT = """() => Math.min(...[...document.querySelectorAll('svg text')]
    .filter(each => each.textContent.trim() && each.getClientRects().length)
    .map(each => parseFloat(getComputedStyle(each).fontSize) * each.ownerSVGElement.getScreenCTM().a), 99)"""
_OVERLAPPING = """() => [...document.querySelectorAll('svg')].flatMap(svg => {
    const boxes = [...svg.querySelectorAll('.axis text')].filter(each => each.textContent.trim() && each.getClientRects().length)
        .map(each => [each.textContent, each.getBoundingClientRect()]);
    return boxes.flatMap(([text, a], index) => boxes.slice(index + 1)
        .filter(([_, b]) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 4 && b.top < a.bottom - 4)
        .map(([other]) => `${text} over ${other}`))})"""


def on_screen(look: Look, name: str, width: int) -> None:
    """Look at a page as it opens, and with all its parts open."""
    page = look.page
    require(page.evaluate("document.documentElement.scrollWidth") <= width, f"{name}: nothing is wider than {width} px")
    smallest = page.evaluate(_SMALLEST_TEXT)
    require(smallest >= LEAST_TEXT_PX, f"{name}: the text of a chart is {smallest:.1f} px high at {width} px")
    overlapping = page.evaluate(_OVERLAPPING)
    require(not overlapping, f"{name}: at {width} px one label lies over another: {overlapping[:3]}")
    require(page.locator("main script, main img, main iframe").count() == 0, f"{name}: markup of others stays text")
    page.evaluate(_OPEN_ALL)
    look.accessible(f"{name} at {width} px")
    require(page.evaluate("document.documentElement.scrollWidth") <= width, f"{name}: nothing that opens is wider than {width} px")


def by_keyboard(look: Look, name: str) -> None:
    """Reach each part that opens by Tab, and open it by Enter."""
    page = look.page
    parts, seen = page.locator("summary").count(), set[str]()
    for _ in range(60 if parts else 0):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.tagName") == "SUMMARY":
            require(page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none", f"{name}: the focus is seen")
            page.keyboard.press("Enter")
            seen.add(page.evaluate("document.activeElement.textContent"))
        if len(seen) == parts:
            break
    require(len(seen) == parts, f"{name}: {len(seen)} of {parts} parts are reached by Tab")


def in_print(look: Look, name: str, pdf: Path) -> None:
    """Print on white paper, whatever the screen is, with what is folded on the screen."""
    page = look.page
    page.emulate_media(media="print", color_scheme="dark")
    look.accessible(f"{name} in print")
    require(page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)", f"{name}: paper is white")
    folded = page.evaluate("[...document.querySelectorAll('details > :not(summary)')].filter(each => !each.checkVisibility()).length")
    require(folded == 0, f"{name}: {folded} parts are missing in print")
    page.pdf(path=pdf, format="A4", margin=dict.fromkeys(("top", "right", "bottom", "left"), "15mm"), print_background=False)


def _looks(browser: Any, path: Path) -> Iterator[tuple[Look, int, str]]:
    """Yield a window of each width and scheme at the page."""
    for width in WIDTHS:
        for scheme in SCHEMES:
            with window(browser, path.as_uri(), viewport={"width": width, "height": 900}, color_scheme=scheme) as look:
                yield look, width, scheme


def main(home: Path, pictures: Path, chromium: str) -> None:
    """Look at every page."""
    pictures.mkdir(parents=True, exist_ok=True)
    paths = sorted(home.glob("*.html"))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for path in paths:
            for look, width, scheme in _looks(browser, path):
                look.page.screenshot(path=pictures / f"{path.stem}-{width}-{scheme}.png", full_page=True)
                on_screen(look, path.stem, width)
            with window(browser, path.as_uri(), viewport={"width": 1440, "height": 900}) as look:
                by_keyboard(look, path.stem)
            with window(browser, path.as_uri(), viewport={"width": 794, "height": 1123}) as look:
                in_print(look, path.stem, pictures / f"{path.stem}.pdf")
        browser.close()
    require(bool(paths), f"there are pages in {home}")
    print(f"reports: {len(paths)} pages are as they should be; pictures: {pictures}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
