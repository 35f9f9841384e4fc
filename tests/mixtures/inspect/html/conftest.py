"""A real Chromium, started once."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

SWITCHES = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--force-color-profile=srgb",
)  # fmt: skip


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Chrome"]:
    """A browser with a fresh profile; its logs hold console messages and network requests."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("chromium or chromedriver is not installed")
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for switch in (*SWITCHES, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    leave_start_page(browser)
    yield browser
    browser.quit()


def leave_start_page(browser: "Chrome") -> None:
    """Go on in an empty tab: the browser's own page goes on loading, and its requests would stand among ours."""
    start = browser.current_window_handle
    browser.switch_to.new_window("tab")
    empty = browser.current_window_handle
    browser.switch_to.window(start)
    browser.close()
    browser.switch_to.window(empty)


@pytest.fixture
def browser(chromium: "Chrome") -> "Chrome":
    """The browser with empty logs, 1,400 pixels wide, in the light."""
    for log in ("browser", "performance"):
        messages(chromium, log)
    resize(chromium, width=1_400)
    return chromium


def messages(browser: Any, log: str) -> list[dict[str, Any]]:
    """What a log holds since it was last asked."""
    return list(browser.get_log(log))


def resize(browser: "Chrome", *, width: int) -> None:
    """Give the page this width in pixels, whatever the window's least."""
    size = {"width": width, "height": 1_000, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def look_at(browser: "Chrome", page: Path) -> None:
    """Open a page and wait until its script has run."""
    browser.get("about:blank")
    browser.get(page.as_uri())
    wait = pytest.importorskip("selenium.webdriver.support.ui").WebDriverWait(browser, 20)
    wait.until(lambda _: browser.execute_script("return document.readyState === 'complete' && 'Plotly' in window"))
