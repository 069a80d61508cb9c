"""The page in a headless Chromium: `python browser.py URLS KEY FOLDER CHROMIUM`; runs in the environment of tests/page/requirements.lock.

URLS is JSON: the page under "", and pages whose `llm`, `embedding` or `milvus` is away.

Asks in three languages, opens a citation, meets every error that a user can meet, by keyboard and on a phone, in light and dark; axe-core
finds nothing, the console has no error, and no request goes to another host. Pictures of it are written to FOLDER.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-not-found]
from playwright.sync_api import Page, sync_playwright  # type: ignore[import-not-found]

QUESTION = "How many minutes of charging until a Lynx 60 is back at 80 percent?"
ASKED = {"zh": "叉车在仓库内的最高速度是多少？", "ja": "フォークリフトの最高速度は？"}
AWAY = {"llm": "the LLM service at", "embedding": "the embedding service at", "milvus": "Milvus at"}
WIDE, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}


class Look:
    """One browser window, and what must never happen in it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.wrong = page, list[str]()
        self.allowed: list[str] = []
        page.on("console", lambda message: self._note(message.text) if message.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: self._note(str(error)))
        page.on("dialog", lambda dialog: self._note(f"a dialog: {dialog.message}"))
        page.on("request", lambda request: None if request.url.startswith(url) else self._note(f"a request to {request.url}"))

    def _note(self, text: str) -> None:
        if not any(each in text for each in self.allowed):
            self.wrong.append(text)

    def accessible(self, state: str) -> None:
        """Let axe-core look at what is there now."""
        found = Axe().run(self.page).response["violations"]
        self.wrong += [f"{state}: axe {each['id']}: {each['nodes'][0]['html'][:160]}" for each in found]

    def sign_in(self, key: str) -> None:
        self.page.fill("#key", key)
        self.page.keyboard.press("Enter")

    def ask(self, question: str, **filters: str) -> None:
        for name, value in filters.items():
            (self.page.fill if name in {"path", "access"} else self.page.select_option)(f"#{name}", value)
        self.page.fill("#question", question)
        self.page.keyboard.press("Enter")
        self.page.wait_for_selector('#answer[aria-busy="false"]', state="attached", timeout=60_000)


def conversation(look: Look, key: str, folder: Path, name: str) -> None:
    """Sign in, ask, open the citation by keyboard, close it again."""
    page = look.page
    look.accessible("signing in")
    look.allowed.append("401")
    look.sign_in("wrong")
    page.wait_for_selector("#key-error:not(:empty)")
    look.accessible("wrong key")
    look.sign_in(key)
    page.wait_for_selector("#question:visible")
    look.accessible("empty")
    look.ask(QUESTION, collection="handbook")
    page.wait_for_selector("#answer .cite")
    look.accessible("answer")
    page.focus("#answer .cite")
    page.keyboard.press("Enter")
    page.wait_for_selector("#document mark")
    look.accessible("document")
    page.screenshot(path=folder / f"{name}.png")
    require(page.evaluate("document.activeElement.id") == "document", "the document has the focus")
    page.keyboard.press("Escape")
    require(page.is_hidden("#document"), "Escape closes the document")
    require("cite" in page.evaluate("document.activeElement.className"), "the focus is back at the citation")


def states(look: Look, folder: Path) -> None:
    """Two more languages, a hostile document, and what cannot be answered."""
    page = look.page
    for language, question in ASKED.items():
        look.ask(question, collection="handbook", language=language)
        page.wait_for_selector("#passages button")
        page.click("#passages button")
        page.wait_for_selector("#document mark")
        look.accessible(language)
        page.screenshot(path=folder / f"{language}.png")
        page.keyboard.press("Escape")
    look.ask("When does the canteen open?", collection="handbook", language="en", path="en/canteen")
    page.click("#passages button")
    page.wait_for_selector("#document mark")
    require(page.locator("#asking script, #asking img").count() == 0, "markup of a document stays text")
    require("<script>" in page.inner_text("#chunks"), "the document is shown as it is")
    page.keyboard.press("Escape")
    look.allowed += ["404", "409", "Failed to fetch", "ERR_"]
    page.evaluate("document.getElementById('collection').append(new Option('gone', 'gone'))")  # somebody dropped it meanwhile
    for collection, reason in {
        "gone": "there is no collection gone",
        "empty": "is empty",
        "released": "is not loaded",
        "other_model": "another",
    }.items():
        look.ask(QUESTION, collection=collection, language="", path="")
        require(reason in page.inner_text("#error"), f"{collection}: {page.inner_text('#error')!r} says why")
        look.accessible(collection)
    look.ask(QUESTION, collection="handbook", path="nowhere/")
    require("No passage fits" in page.inner_text("#answer"), "filters that nothing fits are named")
    page.context.set_offline(True)
    look.ask(QUESTION, path="")
    require("does not answer" in page.inner_text("#error"), "a network that is gone is named")
    page.context.set_offline(False)


def away(look: Look, key: str, part: str) -> None:
    """Ask while one part is away: the reason is shown, and without the language model the passages are there all the same."""
    page = look.page
    look.allowed += ["503"]
    look.sign_in(key)
    if part == "milvus":
        page.wait_for_selector("#key-error:not(:empty)", timeout=60_000)
        shown = page.inner_text("#key-error")
    else:
        page.wait_for_selector("#question:visible")
        look.ask(QUESTION, collection="handbook")
        shown = page.inner_text("#error")
        require((page.locator("#passages button").count() > 0) == (part == "llm"), f"passages without {part}")
    require(AWAY[part] in shown, f"{part} away: {shown!r} says so")
    look.accessible(f"{part} away")


def require(holds: bool, what: str) -> None:
    """Stop with a sentence."""
    if not holds:
        raise SystemExit(f"page: not true: {what}")


@contextmanager
def window(browser: Any, url: str, **options: Any) -> Iterator[Look]:
    """Yield a fresh window at the page, and stop where something went wrong in it."""
    context = browser.new_context(**options)
    look = Look(context.new_page(), url)
    look.page.goto(url)
    yield look
    context.close()
    require(not look.wrong, "\n  ".join(["nothing goes wrong in the browser:", *look.wrong]))


def main(urls: dict[str, str], key: str, folder: Path, chromium: str) -> None:
    """Look at it in three windows, and once without each of its parts."""
    url = urls.pop("")
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        with window(browser, url, viewport=WIDE) as look:
            conversation(look, key, folder, "light")
            states(look, folder)
        with window(browser, url, viewport=WIDE, color_scheme="dark") as look:
            conversation(look, key, folder, "dark")
        with window(browser, url, viewport=PHONE, has_touch=True, is_mobile=True) as look:
            conversation(look, key, folder, "phone")
            wide = look.page.evaluate("document.documentElement.scrollWidth")
            require(wide <= PHONE["width"], f"nothing is wider than a phone ({wide} px)")
        for part, address in urls.items():
            with window(browser, address, viewport=WIDE) as look:
                away(look, key, part)
        browser.close()
    print(f"page: as it should be; pictures: {folder}")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), sys.argv[4])
