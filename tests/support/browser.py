"""A real Chromium, driven by its own driver: what a reader of the page sees, asks for, and waits for."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait
from support.programs import program

AXE: Final = Path(__file__).parents[2] / ".venv" / "axe.min.js"
"""Fetched by scripts/install."""
WIDE, PHONE = (1200, 900), (375, 800)
_PATIENCE = 20.0
_QUIET: Final = (
    "--headless=new",
    "--no-sandbox",  # tests run as root in CI
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--force-prefers-reduced-motion",
)
_WATCH: Final = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.violations.push(event.violatedDirective + " " + event.blockedURI);
});
window.alerts = 0;
window.alert = () => { window.alerts += 1; };
"""


class Browser:
    """One window."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": _WATCH})

    def open(self, url: str) -> None:
        """Load a page anew, and wait until it shows what it is to show."""
        self.driver.get("about:blank")
        self.driver.get(url)
        self.wait("return document.documentElement.dataset.shown")

    def go(self, path: str) -> None:
        """Go on within the page, as a link does."""
        before = self.run("return document.documentElement.dataset.shown")
        self.run("location.hash = arguments[0]", path)
        self.wait(f"return document.documentElement.dataset.shown !== '{before}'")

    def run(self, script: str, *arguments: object) -> Any:  # noqa: ANN401 - JSON
        """What a script gives."""
        return self.driver.execute_script(script, *arguments)

    def wait(self, script: str) -> Any:  # noqa: ANN401 - JSON
        """What a script gives once that counts as true."""
        return WebDriverWait(self.driver, _PATIENCE, poll_frequency=0.02).until(lambda _: self.run(script))

    def find(self, selector: str) -> WebElement:
        """The first element of a CSS selector."""
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[str]:
        """The texts of all elements of a CSS selector, as they are seen."""
        found: list[str] = self.run(
            "return [...document.querySelectorAll(arguments[0])].map((each) => each.innerText)", selector
        )
        return found

    @property
    def text(self) -> str:
        """All that the main part says."""
        return self.find("main").text

    def click(self, words: str) -> None:
        """Click the first link of these words."""
        self.find_link(words).click()

    def find_link(self, words: str) -> WebElement:
        """The first link of these words."""
        return self.driver.find_element(By.LINK_TEXT, words)

    def resize(self, size: tuple[int, int]) -> None:
        """Show it on a screen of that size."""
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def shade(self, scheme: str) -> None:
        """Have the reader prefer ``light`` or ``dark``."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def events(self) -> list[Mapping[str, Any]]:
        """What the browser's own trace and network log have, since they were last read."""
        entries = self.driver.get_log("performance")  # type: ignore[no-untyped-call] # of selenium
        return [json.loads(entry["message"])["message"] for entry in entries]

    def complaints(self) -> list[str]:
        """What the console was told of as an error: a script that failed, a policy that was broken."""
        entries = self.driver.get_log("browser")  # type: ignore[no-untyped-call] # of selenium
        return [entry["message"] for entry in entries if "404 (Not Found)" not in entry["message"]]

    def violations(self) -> list[str]:
        """What axe-core says a reader with a screen reader, a keyboard or weak eyes would stumble over."""
        if not AXE.exists():
            raise AssertionError(f"{AXE} is missing; scripts/install --dev fetches it")
        self.driver.execute_cdp_cmd("Page.setBypassCSP", {"enabled": True})
        self.run(AXE.read_text())
        found = self.driver.execute_async_script(
            "const done = arguments[0]; axe.run(document, {resultTypes: ['violations']}).then("
            "(result) => done(result.violations.map((each) => each.id + ': ' + each.help + ': '"
            " + each.nodes.slice(0, 3).map((node) => node.html + ' ' + node.failureSummary).join(' | '))))"
        )
        self.driver.execute_cdp_cmd("Page.setBypassCSP", {"enabled": False})
        return list(found)

    def picture(self, path: Path) -> None:
        """Write what is seen to a PNG file."""
        self.driver.save_screenshot(str(path))


@contextmanager
def chromium(trace: str = "") -> Iterator[Browser]:
    """A headless Chromium until the end of the block; its downloads and settings go with it.

    ``trace`` are categories of its trace that are kept, which makes each navigation seconds slower.
    """
    with tempfile.TemporaryDirectory(prefix="mirrord-chromium-") as place:
        options = webdriver.ChromeOptions()
        options.binary_location = program("chromium", "chromium")
        for argument in (*_QUIET, f"--user-data-dir={place}"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
        if trace:
            options.add_experimental_option("perfLoggingPrefs", {"traceCategories": trace})
        service = webdriver.ChromeService(program("chromedriver", "chromium-driver"))
        driver = webdriver.Chrome(options, service)
        try:
            driver.set_script_timeout(60)
            yield Browser(driver)
        finally:
            driver.quit()
