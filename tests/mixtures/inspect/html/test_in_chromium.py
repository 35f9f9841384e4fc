"""The page in a real browser: nothing fails, nothing is fetched, and boxes lie where they should."""

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from mix665k.mixtures.inspect.html.page import Page
from tests.mixtures.inspect.html.conftest import look_at, messages, resize
from tests.mixtures.inspect.html.pages import RECORDS, WIDE, draw, found_in, made
from tests.mixtures.small import look, record

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytestmark = pytest.mark.slow
WebDriverWait = pytest.importorskip("selenium.webdriver.support.ui").WebDriverWait
TOLERANCE_PX = 2.5
"""Half the stroke, and what a browser rounds."""


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of all records, with their one image."""
    folder = tmp_path_factory.mktemp("page")
    draw(folder / WIDE, (400, 200), (40, 40, 200, 120))
    made(found_in(folder, RECORDS), Page(folder / "page.html", folder))
    return folder / "page.html"


@pytest.fixture(scope="session")
def page_of_mixture(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of a mixture, with tokens."""
    page = tmp_path_factory.mktemp("page") / "page.html"
    made(look(small, sample=12, tokenizer="tiny"), Page(page))
    return page


def shown(browser: "Chrome") -> list[str]:
    """The ids of the cards that can be seen."""
    script = "return [...document.querySelectorAll('.card')].filter(card => card.offsetParent)"
    return [card.find_element("css selector", ".id").text for card in browser.execute_script(script)]


def find(browser: "Chrome", selector: str) -> Any:
    """The first element of a selector."""
    return browser.find_element("css selector", selector)


def bars_of_each_plot(browser: "Chrome") -> list[int]:
    """How many bars or points each plot has; nothing while one has none."""
    plots = "return [...document.querySelectorAll('[data-plot]')]"
    counts = browser.execute_script(f"{plots}.map(plot => plot.querySelectorAll('.point path').length)")
    return list(counts) if all(counts) else []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_loads_without_an_error_and_without_the_network(
    browser: "Chrome", page: Path, page_of_mixture: Path, scheme: str
) -> None:
    emulated = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", emulated)
    for target, num_plots in ((page, 6), (page_of_mixture, 8)):
        look_at(browser, target)
        drawn = WebDriverWait(browser, 10).until(bars_of_each_plot)
        assert len(drawn) == num_plots
    assert messages(browser, "browser") == []
    events = [json.loads(entry["message"])["message"] for entry in messages(browser, "performance")]
    asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert asked
    assert {url.split(":")[0] for url in asked} <= {"file", "data", "blob"}
    background = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(251, 251, 250)", "dark": "rgb(22, 24, 27)"}[scheme]


def test_html_in_a_text_is_text(browser: "Chrome", page: Path) -> None:
    look_at(browser, page)
    assert browser.execute_script("return window.ran") is None
    assert "<script>window.ran = true</script>" in find(browser, "#cards").text


def test_search_and_source_choose_the_cards(browser: "Chrome", page: Path) -> None:
    look_at(browser, page)
    everything = shown(browser)
    assert len(everything) == len(RECORDS)
    find(browser, ".chip[data-source=gqa]").click()
    assert sorted(shown(browser)) == ["7", "8"]
    assert find(browser, "#hits").text == f"2 of {len(RECORDS)} records"
    find(browser, "#search").send_keys("DRY wet")
    assert shown(browser) == ["7"]
    assert find(browser, ".chip[data-source=gqa] .num").text == "1"
    assert find(browser, ".chip[data-source=vg] .num").text == "0"
    find(browser, ".chip[data-source=vg]").click()
    assert shown(browser) == []
    assert find(browser, "#nothing").text == "Nothing found."
    find(browser, "#search").clear()
    find(browser, "#search").send_keys("chat_1")
    find(browser, ".chip[data-source='']").click()
    assert shown(browser) == ["chat_1"]
    assert not find(browser, "#nothing").is_displayed()


def test_long_texts_and_many_turns_are_opened_and_closed(browser: "Chrome", page: Path) -> None:
    look_at(browser, page)
    text, button = find(browser, ".folded"), find(browser, ".bubble .unfold")
    folded = text.size["height"]
    button.click()
    assert text.size["height"] > 2 * folded
    assert button.text == "show less of 2,000 characters"
    button.click()
    assert text.size["height"] == folded
    button = find(browser, ".unfold.turns")
    assert not find(browser, ".beyond").is_displayed()
    button.click()
    assert find(browser, ".beyond").is_displayed()
    assert (button.text, button.get_attribute("aria-expanded")) == ("show less of 40 turns", "true")


def test_a_turn_and_its_box_light_up_together_from_the_keyboard_too(browser: "Chrome", page: Path) -> None:
    look_at(browser, page)
    browser.execute_script("document.querySelectorAll('.bubble[data-box]')[3].focus()")
    lit = "return [...document.querySelectorAll('.lit')].map(e => e.dataset.box + e.tagName)"
    assert sorted(browser.execute_script(lit)) == ["2DIV", "2DIV", "2SPAN", "2g", "2g"]
    browser.execute_script("document.activeElement.blur()")
    assert browser.execute_script(lit) == []
    line = "document.querySelector('g[data-box=\"1\"] .line')"
    browser.execute_script(f"{line}.dispatchEvent(new PointerEvent('pointerover', {{bubbles: true}}))")
    assert sorted(browser.execute_script(lit)) == ["1DIV", "1DIV", "1SPAN", "1g", "1g"]


@pytest.mark.parametrize("width", [400, 1_400])
def test_nothing_is_wider_than_the_window(browser: "Chrome", page: Path, width: int) -> None:
    resize(browser, width=width)
    look_at(browser, page)
    assert browser.execute_script("return document.documentElement.scrollWidth") == width
    plots = "return [...document.querySelectorAll('.draw')]"
    widths = browser.execute_script(f"{plots}.map(plot => [plot.clientWidth, plot.scrollWidth])")
    assert all(inner <= outer for outer, inner in widths)


def test_the_theme_is_chosen_by_a_button(browser: "Chrome", page: Path) -> None:
    look_at(browser, page)
    colours = []
    for _ in range(3):
        colours.append(browser.execute_script("return getComputedStyle(document.querySelector('.xtick text')).fill"))
        find(browser, "#theme").click()
    assert find(browser, "#theme").text == "theme: auto"
    assert len(set(colours)) == 2


@pytest.mark.parametrize(
    ("size", "convention", "rectangle", "text"),
    [
        ((400, 200), "square", (40, 40, 200, 120), "[0.1, 0.35, 0.5, 0.55]"),
        ((200, 400), "square", (40, 40, 160, 200), "[0.35, 0.1, 0.65, 0.5]"),
        ((300, 300), "square", (30, 60, 270, 90), "[0.1, 0.2, 0.9, 0.3]"),
        ((1000, 400), "plain", (100, 80, 500, 320), "[0.1, 0.2, 0.5, 0.8]"),
    ],
    ids=["wide", "tall", "square", "plain"],
)
def test_a_box_is_drawn_around_what_it_describes(
    browser: "Chrome",
    tmp_path: Path,
    size: tuple[int, int],
    convention: Any,
    rectangle: tuple[int, int, int, int],
    text: str,
) -> None:
    draw(tmp_path / WIDE, size, rectangle)
    found = found_in(tmp_path, [record("1", WIDE, "<image>\nWhere is the board?", text)])
    found.sources[0].box_convention = convention
    made(found, Page(tmp_path / "page.html", tmp_path))
    for width in (1_400, 400):
        resize(browser, width=width)
        look_at(browser, tmp_path / "page.html")
        browser.execute_script("document.querySelector('.tag').remove()")
        shot = np.asarray(Image.open(io.BytesIO(find(browser, ".frame").screenshot_as_png)).convert("RGB")).astype(int)
        red, green, blue = shot[..., 0], shot[..., 1], shot[..., 2]
        scale = shot.shape[1] / size[0]
        assert shot.shape[0] == pytest.approx(size[1] * scale, abs=1.5)
        expected = [edge * scale for edge in rectangle]
        assert edges((red > 200) & (green < 110) & (blue < 110)) == pytest.approx(expected, abs=TOLERANCE_PX)
        assert edges((blue > 200) & (red < 60) & (green < 60)) == pytest.approx(expected, abs=2 * TOLERANCE_PX)


def edges(mask: Any) -> list[float]:
    """Left, top, right, bottom of the pixels."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    assert rows.size
    return [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
