"""The dashboard in a real browser: nothing in the console, no accessibility fault, no overflow, by keyboard, on paper.

It is Debian's or your own Chromium: AFTERCLOSE_CHROMIUM names it, or it is on the PATH.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from reports.html import render
from reports.notes import notes
from reports.pages.environment import SECTIONS
from reports.reading import read_view
from tests.api.pages.conftest import BOOKS, CASH, HOSTILE, LARGE, NEW, OWING, PRIVATE, RIGHT_TO_LEFT
from warehouse.database import Database

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CORE = "Core Growth"
WIDTHS = (360, 768, 1440)
# A click returns before the new page is there, so tests wait for what they expect.
expect.set_options(timeout=30_000)
# Elements that stick out at the right, except those that scroll in a place of their own.
STICKS_OUT = """
    () => [...document.querySelectorAll("main *, .bar *")]
        .filter((each) => !each.closest(".scroll, .hidden, .skip"))
        .filter((each) => each.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
        .map((each) => `${each.tagName} ${each.getAttribute("class")} ${each.textContent.slice(0, 40)}`).slice(0, 3)
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = os.environ.get("AFTERCLOSE_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        missing = "no Chromium: `apt-get install chromium`, or name one with AFTERCLOSE_CHROMIUM"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        with playwright.chromium.launch(executable_path=program, args=arguments) as browser:
            yield browser


class Visitor:
    """A person at a browser, and what the browser complained of."""

    def __init__(self, context: BrowserContext, site: str) -> None:
        self.complaints: list[str] = []
        self._site = site
        self.page: Page = context.new_page()
        self.page.on("console", lambda said: self.complaints.append(f"{self.page.url}: {said.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(f"{self.page.url}: {error}"))

    def open(self, path: str) -> Page:
        answer = self.page.goto(self._site + path)
        assert answer is not None and answer.status == 200, path
        return self.page


PathOf = Callable[..., str]


def ordinary(path_of: PathOf) -> list[str]:
    return ["/", "/status", "/login", *(path_of(CORE, section) for section in SECTIONS)]


def unusual(path_of: PathOf) -> list[str]:
    overviews = [path_of(name) for name in (HOSTILE, RIGHT_TO_LEFT, CASH, PRIVATE, OWING, NEW)]
    return [*overviews, path_of(LARGE, "positions") + "?by=lot"]


def look_at(browser: Browser, site: str, paths: list[str], folder: Path) -> None:
    """Nothing sticks out at any width, and the console stays silent."""
    context = browser.new_context()
    visitor = Visitor(context, site)
    for path in paths:
        page = visitor.open(path)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate(STICKS_OUT) == [], (path, width)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)
            shot = page.screenshot(path=folder / f"{width}.png", full_page=width == WIDTHS[0])
            assert len(shot) > 5_000, "there is something to be seen"
    assert visitor.complaints == []
    context.close()


def faults(browser: Browser, site: str, paths: list[str]) -> list[str]:
    """What axe finds, in light and in dark. It brings its own script, which the pages' policy would refuse."""
    found: list[str] = []
    context = browser.new_context(bypass_csp=True)
    visitor, axe = Visitor(context, site), Axe()
    for path in paths:
        page = visitor.open(path)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            found += [
                f"{path} {scheme} {fault['id']} {fault['nodes'][0]['target']}"
                for fault in axe.run(page).response["violations"]
            ]
    context.close()
    return found


def test_nothing_sticks_out_and_the_console_is_silent(browser: Browser, site: str, path_of: PathOf, tmp_path: Path):
    look_at(browser, site, ordinary(path_of) + unusual(path_of), tmp_path)


def test_no_accessibility_fault_in_light_or_dark(browser: Browser, site: str, path_of: PathOf):
    assert faults(browser, site, [*ordinary(path_of), path_of(HOSTILE), path_of(OWING)]) == []


@pytest.mark.slow
def test_the_same_of_every_page_of_every_book(browser: Browser, site: str, path_of: PathOf, tmp_path: Path):
    everything = [path_of(name, section) for name in BOOKS for section in SECTIONS]
    look_at(browser, site, everything, tmp_path)
    assert faults(browser, site, everything) == []


def test_hostile_and_right_to_left_names_are_only_names(browser: Browser, site: str, path_of: PathOf):
    context = browser.new_context()
    visitor = Visitor(context, site)
    page = visitor.open("/")
    page.on("dialog", lambda dialog: visitor.complaints.append(dialog.message))
    page.get_by_role("link", name=HOSTILE).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
    visitor.open("/")
    page.get_by_role("link", name=RIGHT_TO_LEFT).click()
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_have_text(RIGHT_TO_LEFT)
    expect(heading).to_have_css("direction", "rtl")
    assert visitor.complaints == []
    context.close()


def test_by_keyboard_alone(browser: Browser, site: str, path_of: PathOf):
    """From the first page to the positions, sorted, and along a chart."""
    context = browser.new_context()
    visitor = Visitor(context, site)
    page = visitor.open("/")

    def focused() -> str:
        return page.evaluate("document.activeElement.textContent.trim()")

    def tab_to(text: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if focused() == text:
                return
        pytest.fail(f"{text} cannot be reached")

    page.keyboard.press("Tab")
    assert focused() == "Skip to the page"
    tab_to(CORE)
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid", "the focus can be seen"
    page.keyboard.press("Enter")
    page.wait_for_url("**/portfolios/*")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('svg.plot')"):
            break
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#tip"), "the newest end first").to_have_text(re.compile("^2016-07-01: Equity 1,119,514"))
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#tip")).to_have_text(re.compile("^2016-06-30"))
    page.keyboard.press("Escape")
    expect(page.locator("#tip")).to_be_hidden()
    visitor.open(path_of(CORE, "positions"))
    tab_to("Symbol")
    page.keyboard.press("Enter")
    page.wait_for_url("**sort=symbol*")
    expect(page.locator("th[aria-sort=ascending]")).to_have_text(re.compile(r"^\s*Symbol"))
    expect(page.get_by_role("link", name="Symbol"), "who sorts stays where they are").to_be_focused()
    assert visitor.complaints == []
    context.close()


def test_values_at_the_pointer_and_filters_without_a_reload(browser: Browser, site: str, path_of: PathOf):
    context = browser.new_context(viewport={"width": 1440, "height": 1200})
    visitor = Visitor(context, site)
    page = visitor.open(path_of(CORE))
    page.locator("svg.bars").first.hover(position={"x": 5, "y": 5})
    expect(page.locator("#tip")).to_have_text(re.compile("^Market: beta"))
    heat = page.locator("svg.heat")
    heat.scroll_into_view_if_needed()
    box = heat.bounding_box()
    assert box is not None
    unit = box["width"] / 520
    page.mouse.move(box["x"] + (84 + 60) * unit, box["y"] + (84 + 20) * unit)
    expect(page.locator("#tip")).to_have_text("AAPL and UNH: 0.48")
    page = visitor.open(path_of(CORE, "positions"))
    page.evaluate("window.untouched = true")
    page.get_by_label("Symbol, company or industry").fill("apple")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=apple*")
    expect(page.locator("tbody tr")).to_have_count(1)
    assert page.evaluate("window.untouched") is True
    assert visitor.complaints == []
    context.close()


def test_without_javascript(browser: Browser, site: str, path_of: PathOf):
    context = browser.new_context(java_script_enabled=False)
    visitor = Visitor(context, site)
    page = visitor.open(path_of(CORE, "positions"))
    page.get_by_label("Symbol, company or industry").fill("apple")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name="Day, USD").click()
    expect(page.locator("th[aria-sort=descending]")).to_have_text(re.compile(r"^\s*Day"))
    page = visitor.open(path_of(CORE))
    page.get_by_label("Session", exact=True).fill("2016-06-24")
    page.get_by_role("button", name="Go").click()
    expect(page.get_by_text("Friday 24 June 2016")).to_be_visible()
    assert page.locator("svg .hit title").count() > 100, "values are there for whoever points at a mark"
    context.close()


def test_on_paper(browser: Browser, site: str, path_of: PathOf):
    context = browser.new_context()
    page = Visitor(context, site).open(path_of(CORE))
    for path, most in ((path_of(CORE), 6), (path_of(CORE, "performance"), 6), (path_of(LARGE, "positions"), 4)):
        page.goto(site + path)
        paper = page.pdf(format="A4", print_background=True)
        assert paper.startswith(b"%PDF")
        assert 1 <= paper.count(b"/Type /Page\n") <= most, path
    page.emulate_media(media="print")
    expect(page.locator(".tabs")).to_be_hidden()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    context.close()


def test_the_page_that_stands_alone(browser: Browser, books: Database, tmp_path: Path):
    """What `show --html` writes, opened from the disk: its own policy lets its own style sheet in, and nothing else."""
    with books.connect() as conn:
        for name in (CORE, HOSTILE):
            view = read_view(conn, name)
            (tmp_path / f"{len(name)}.html").write_text(render(view, notes(view)), encoding="utf-8")
    context = browser.new_context(bypass_csp=False)
    visitor = Visitor(context, "")
    for file in tmp_path.glob("*.html"):
        visitor.page.goto(file.as_uri())
        for width in WIDTHS:
            visitor.page.set_viewport_size({"width": width, "height": 900})
            assert visitor.page.evaluate(STICKS_OUT) == [], (file.name, width)
        assert visitor.page.locator("section").first.evaluate("each => getComputedStyle(each).borderRadius") != "0px"
    assert visitor.complaints == []
    context.close()
