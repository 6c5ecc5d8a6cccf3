"""The page, as a person with a browser meets it."""

import pytest
from selenium.webdriver.common.keys import Keys
from support.browser import PHONE, WIDE, Browser, chromium
from support.counts import measure
from support.shown import HOSTILE

TRACE = "loading,blink.user_timing,devtools.timeline"
A_FRAME = "const done = arguments[0]; requestAnimationFrame(() => setTimeout(done, 100))"
PAGES = ("/", "/freshness", "/runs", "/disk", "/snapshots", "/image/app", "/image/app:1")


def test_an_empty_mirror_is_explained(browser: Browser, empty_url: str) -> None:
    """Who comes before the first run is told what to do, on every page."""
    for path in ("/", "/freshness", "/runs", "/disk", "/snapshots"):
        browser.open(f"{empty_url}/#{path}")
        assert "Nothing is mirrored yet" in browser.text
        assert "mirrord sync" in browser.text


def test_each_state_is_told_with_whose_move_it_is(browser: Browser, troubled_url: str) -> None:
    """Told: at a glance how many are fresh, waiting, stale and failing; for each that is not, why, and who may act."""
    browser.open(f"{troubled_url}/")
    assert browser.all(".tile b")[:4] == ["2", "1", "1", "2"]
    browser.find("a.tile.failing").click()
    browser.wait("return document.querySelector('h1').innerText === 'Freshness'")
    found = browser.text
    assert "no route to safe\ufffdgnp.exe" in found
    assert "Whose move: whoever runs the network between here and the upstream" in found
    assert browser.all("tbody th a") == ["gone:1", "net:1"]
    browser.open(f"{troubled_url}/#/freshness?show=waiting")
    assert "it may be asked again in" in browser.text
    browser.open(f"{troubled_url}/#/freshness?show=stale")
    assert "that is longer than 2 days" in browser.text


def test_what_was_asked_for_and_is_not_here_has_its_config_line(browser: Browser, troubled_url: str) -> None:
    """Told: how often and last when, the line that would add it on the clipboard, and what is blocked has no line."""
    permissions = {"permissions": ["clipboardReadWrite"], "origin": troubled_url}
    browser.driver.execute_cdp_cmd("Browser.grantPermissions", permissions)
    browser.open(f"{troubled_url}/#/freshness")
    assert "Asked for and not here" in browser.text
    rows = browser.all("table[aria-label='What was asked for and is not here'] tbody tr")
    assert [row.split()[0] for row in rows] == ["redis:7", "app:9"]
    assert "64+" in rows[0]
    assert "2 hours ago" in rows[0]
    assert f"blocked since today ({HOSTILE})" in rows[1]
    buttons = "button[aria-label^='Copy the config line']"
    assert browser.run(f'return document.querySelectorAll("{buttons}").length') == 1
    browser.find(buttons).click()
    browser.wait(f"return document.querySelector(\"{buttons}\").innerText === 'Copied'")
    assert browser.driver.execute_async_script("navigator.clipboard.readText().then(arguments[0])") == "- redis:7"


def test_the_pulls_left_at_an_upstream_are_drawn(browser: Browser, troubled_url: str) -> None:
    """Told: how many are left where an upstream counts them, run by run, of how many; others have no such chart."""
    browser.open(f"{troubled_url}/#/runs")
    captions = [caption for caption in browser.all("figcaption") if "Pulls left" in caption]
    assert [caption.split() for caption in captions] == [
        ["Pulls", "left", "at", "docker.io", "41", "of", "100", "·", "at", "most", "41"]
    ]


@pytest.mark.parametrize("path", ["/", "/freshness", "/freshness?show=fresh", "/runs"])
def test_hostile_texts_stay_text(browser: Browser, troubled_url: str, path: str) -> None:
    """Nothing that an upstream says becomes markup, whichever page shows it."""
    browser.open(f"{troubled_url}/#{path}")
    assert browser.run("return document.querySelectorAll('main img, main script').length") == 0
    if path != "/":
        assert HOSTILE in browser.text
    assert browser.run("return window.alerts") == 0


def test_a_hostile_link_shows_what_is_not_served(browser: Browser, troubled_url: str) -> None:
    """A link that somebody made up leads nowhere: no markup, no command to copy, no broken page."""
    browser.open(f"{troubled_url}/#/image/{HOSTILE}:1;reboot")
    assert "That is not served here" in browser.text
    assert browser.all("code") == []
    browser.open(f"{troubled_url}/#/__proto__/%zz?q=%zz")
    assert browser.all("h1") == ["Images"]


def test_without_a_status_the_images_are_still_listed(browser: Browser, silent_url: str) -> None:
    """`serve: {status: false}`: the page says what it can't tell and why, and shows what it has."""
    browser.open(f"{silent_url}/")
    assert "does not tell how fresh it is" in browser.text
    browser.click("app")
    browser.wait("return document.querySelector('h1').innerText === 'app'")
    browser.click("1")
    browser.wait("return document.querySelector('h1').innerText === 'app:1'")
    assert "docker pull 127.0.0.1:" in browser.text
    assert "1 layer" in browser.text


def test_back_and_links_lead_where_they_say(browser: Browser, troubled_url: str) -> None:
    """Each view has an address of its own; the back button goes to the one before, with what was searched for."""
    browser.open(f"{troubled_url}/")
    browser.find("input").send_keys("app")
    browser.click("app")
    browser.wait("return document.querySelector('h1').innerText === 'app'")
    browser.driver.back()
    browser.wait("return document.querySelector('h1').innerText === 'Images'")
    assert browser.find("input").get_attribute("value") == "app"


def test_the_keyboard_suffices(browser: Browser, troubled_url: str) -> None:
    """Every control can be reached and used without a mouse; a new page is where the focus is."""
    browser.open(f"{troubled_url}/")
    body = browser.find("body")
    body.send_keys(Keys.TAB)
    assert browser.run("return document.activeElement.id") == "skip"
    browser.run("document.querySelector('tbody a').focus()")
    browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
    browser.wait("return document.querySelector('h1').innerText === 'app'")
    assert browser.run("return document.activeElement.tagName") == "H1"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", [WIDE, PHONE], ids=["wide", "phone"])
def test_nobody_is_shut_out(browser: Browser, troubled_url: str, scheme: str, screen: tuple[int, int]) -> None:
    """axe-core finds nothing on any page, light or dark, wide or narrow; and nothing is wider than a phone."""
    browser.resize(screen)
    browser.shade(scheme)
    browser.open(f"{troubled_url}/")
    for path in PAGES:
        browser.go(f"{path}{'&' if '?' in path else '?'}a={scheme}")
        assert browser.violations() == [], path
        assert browser.run("return document.documentElement.scrollWidth <= innerWidth"), path


def test_nothing_but_the_mirror_is_asked(browser: Browser, troubled_url: str) -> None:
    """Air-gapped: whatever is looked at, each request goes to where the page came from."""
    browser.events()
    browser.open(f"{troubled_url}/")
    for path in PAGES[1:]:
        browser.go(path)
    sent = [
        event["params"]["request"]["url"]
        for event in browser.events()
        if event["method"] == "Network.requestWillBeSent"
    ]
    assert len(sent) > 8
    assert [url for url in sent if not url.startswith((f"{troubled_url}/", "data:", "about:"))] == []


def test_all_of_five_thousand_tags_are_found(browser: Browser, crowded_url: str) -> None:
    """A list is made a part at a time, and searched as a whole; the rest comes as its end comes near."""
    browser.open(f"{crowded_url}/#/image/many")
    assert "5,000 tags" in browser.text
    made = len(browser.all("tbody tr"))
    assert made < 1000
    browser.run("scrollTo(0, document.body.scrollHeight)")
    browser.wait(f"return document.querySelectorAll('tbody tr').length > {made}")
    browser.find("input").send_keys("needle")
    assert browser.all("tbody th a") == ["needle"]
    browser.open(f"{crowded_url}/#/?q=needle")
    assert browser.all("tbody th a") == ["many:needle"]


def test_how_smooth_five_thousand_tags_are(crowded_url: str, request: pytest.FixtureRequest) -> None:
    """Told, not judged: what the browser's own trace has of the first paint and of keystrokes in the search."""
    with chromium(TRACE) as browser:
        browser.driver.get(f"{crowded_url}/#/image/many")
        browser.wait("return document.querySelectorAll('tbody tr').length")
        for letter in "needle":
            browser.find("input").send_keys(letter)
            browser.driver.execute_async_script(A_FRAME)
        browser.driver.get("about:blank")  # leaving ends a trace
        trace = [event["params"] for event in browser.events() if event["method"] == "Tracing.dataCollected"]
    begun = next(each for each in trace if each["name"] == "navigationStart" and crowded_url in str(each["args"]))
    own = [each for each in trace if each["pid"] == begun["pid"] and each["ts"] > begun["ts"]]
    first = next(each for each in own if each["name"] == "firstContentfulPaint")
    typed = [each["args"]["data"] for each in own if each["name"] == "EventTiming" and "data" in each["args"]]
    strokes = [round(each["duration"]) for each in typed if each["type"] == "keypress"]
    assert strokes
    paint = (first["ts"] - begun["ts"]) / 1000
    measure(request, f"page of 5,000 tags: first paint {paint:.0f} ms, keystroke to paint {max(strokes)} ms at most")
