"""The site, built once and then read: by a parser for its links, by a browser for everything else."""

import json
import os
import re
import shutil
import subprocess
import sys
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

import pytest

from tinybnn.testing import OPS

pytestmark = pytest.mark.site

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
WIDTHS = (1280, 390)
"""A desk and a telephone, in CSS pixels."""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the built site. A warning fails the build; a request to the network would find no proxy there."""
    for module in ("sphinx", "myst_nb", "furo", "sphinx-mathjax-offline"):
        pytest.importorskip(module, reason="the site needs: pip install '.[docs]'")
    folder = tmp_path_factory.mktemp("site")
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "docs", str(folder)]
    build = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=os.environ | nowhere)
    assert build.returncode == 0 and not build.stderr, build.stderr
    return folder


class Page(HTMLParser):
    """What a page is known by (ids), what it asks for while it loads, and where it leads."""

    LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "link": "href"}

    def __init__(self, text):
        super().__init__()
        self.ids, self.loads, self.links = set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids |= {attrs[name] for name in ("id", "name") if attrs.get(name)}
        if attrs.get(self.LOADS.get(tag)):
            self.loads.append(attrs[self.LOADS[tag]])
        if tag == "a" and attrs.get("href"):
            self.links.append(attrs["href"])


def read(folder):
    """Every page of a site, by its path."""
    return {path: Page(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.html"))}


def broken(pages):
    """Links within the site that lead to no file, or to no place on a page."""
    for path, page in pages.items():
        for link in {*page.links, *page.loads}:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = Path(os.path.normpath(path.parent / unquote(parts.path))) if parts.path else path
            if not target.is_file():
                yield f"{path.name}: {link} is not there"
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].ids:
                yield f"{path.name}: {link} has no such place"


def foreign(folder, pages):
    """What pages and style sheets ask another host for."""
    for path, page in pages.items():
        yield from (f"{path.name}: {link}" for link in page.loads if urlsplit(link).netloc)
    for sheet in folder.rglob("*.css"):
        asked = re.findall(r"(?:url\(|@import)\s*['\"]?((?:https?:)?//[^'\")\s]+)", sheet.read_text(encoding="utf-8"))
        yield from (f"{sheet.name}: {link}" for link in asked)


def test_no_link_within_the_site_is_broken(site):
    pages = read(site)
    assert len(pages) > 50 and not list(broken(pages))


def test_no_page_asks_another_host_for_anything(site):
    assert not list(foreign(site, read(site)))


def test_a_broken_link_and_a_foreign_script_are_caught(tmp_path):
    links = "".join(f'<a href="{link}"></a>' for link in ("#here", "#there", "no.html", "https://a.org/"))
    loads = '<script src="https://a.org/a.js"></script><img id="here" src="//a.org/a.png">'
    (tmp_path / "page.html").write_text(links + loads)
    (tmp_path / "page.css").write_text('@import "https://a.org/a.css"; a { background: url(a.png) url(//a.org/b) }')
    pages = read(tmp_path)
    faults = ["page.html: #there has no such place", "page.html: no.html is not there"]
    assert sorted(broken(pages)) == faults
    hosts = ["page.css: //a.org/b", "page.css: https://a.org/a.css", "page.html: //a.org/a.png"]
    assert sorted(foreign(tmp_path, pages)) == [*hosts, "page.html: https://a.org/a.js"]


# -- what is on the pages -------------------------------------------------------------------------------------------


SECTIONS = re.split(r"^## ", (DOCS / "equations.md").read_text(encoding="utf-8"), flags=re.M)[1:]
EQUATIONS = {section.split("\n", 1)[0]: section.count("$$") // 2 for section in SECTIONS}
"""How many equations each section has. An operation without a section shows the formula of its docstring."""


def test_every_section_of_equations_is_an_operation_and_has_one_equation_for_each_pass():
    assert len(EQUATIONS) > 50
    unknown = set(EQUATIONS) - set(OPS)
    assert not unknown, f"docs/equations.md has sections for {unknown}, which are no operations: rename or delete them"
    wrong = {name for name, count in EQUATIONS.items() if count != (2 if OPS[name].backward else 1)}
    assert not wrong, f"docs/equations.md: {wrong} should have one equation, and a second one for a backward pass"


def test_the_reference_shows_the_equations_of_every_operation(site):
    equations = (site / "equations.html").read_text(encoding="utf-8")
    assert equations.count('<div class="math ') == sum(EQUATIONS.values())
    for name, op in OPS.items():
        if name not in EQUATIONS:
            continue
        if op.forward.__module__.startswith("tinybnn.testing"):
            continue  # an adapter around the public function
        room = op.forward.__module__.removeprefix("tinybnn.")
        text = (site / f"api/{room}.html").read_text(encoding="utf-8")
        for function in (op.forward, op.backward) if op.backward else (op.forward,):
            entry = text.split(f'id="tinybnn.{room}.{function.__name__}"')[1].split('<dl class="py')[0]
            assert entry.count('class="math ') == 1, f"{function.__name__} shows no equation, or several"


def papers():
    """Who a docstring's ``Source:`` names: an author with a year, and an arXiv id."""
    for path in sorted((ROOT / "tinybnn").rglob("*.py")):
        for source in re.findall(r"Source: (.*?)(?:See also|Examples|\"\"\"|\n\s*\n)", path.read_text("utf-8"), re.S):
            yield from re.findall(r"[A-Z][a-z]+ (?:19|20)\d\d\b|arXiv\s\d{4}\.\d{4,5}", " ".join(source.split()))


def test_every_paper_that_a_docstring_names_is_on_the_page_of_sources():
    page = (DOCS / "sources.md").read_text(encoding="utf-8")
    assert len(set(papers())) > 30 and not {paper for paper in papers() if paper not in page}


def test_every_notebook_has_a_page_with_its_answers_folded_and_offers_the_students(site):
    for path in sorted((ROOT / "tutorials/solutions").glob("*.ipynb")):
        text = (site / "tutorials" / f"{path.stem}.html").read_text(encoding="utf-8")
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        folded = sum("hide-input" in cell["metadata"].get("tags", []) for cell in cells)
        assert len(re.findall(r"<details class=[^>]*above-input", text)) == folded
        exercises = sum("exercise" in cell["metadata"] for cell in cells)
        assert text.count(">NotImplementedError<") >= exercises, f"{path.stem} does not show what is asked"
        assert re.search(rf'_downloads/\w+/{path.stem}\.ipynb"', text), f"{path.stem} does not offer the notebook"


# -- in a browser ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser():
    """Chromium without a window, which keeps what it is told and what it asks for."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="the site needs: pip install '.[docs]'")
    found = [shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")]
    program, driver = next(filter(None, found), None), shutil.which("chromedriver")
    if not (program and driver):
        pytest.skip("the site is read in a browser: chromium and chromedriver are not on the PATH")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in ("--headless", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chromium = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield chromium
    chromium.quit()


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, and says nothing of it."""

    def log_message(self, *args):
        pass


@pytest.fixture
def serve():
    """A function that serves a folder on this machine, at a port that is free, and gives the address."""
    servers = []

    def start(folder):
        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)))
        Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


SETTLED = """
const done = arguments[0], wait = window.MathJax?.startup?.promise ?? Promise.resolve();
document.querySelectorAll("img").forEach(i => { i.loading = "eager" });
wait.then(() => Promise.all([...document.images].map(i => i.decode().catch(() => 0)))).then(() => done({
  equations: document.querySelectorAll(".math").length,
  typeset: document.querySelectorAll("mjx-container").length,
  wrong: document.querySelectorAll("mjx-merror").length,
  empty: [...document.images].filter(i => !i.naturalWidth).map(i => i.src)}));
"""


def faults(browser, address):
    """What is wrong with a page in a browser, in words: it is opened once and then made narrow."""
    for kind in ("browser", "performance"):
        browser.get_log(kind)  # what was before
    browser.set_window_size(WIDTHS[0], 900)
    browser.get(address)
    seen = browser.execute_async_script(SETTLED)
    for width in WIDTHS:
        # A window is never as narrow as a telephone; its viewport can be told to be.
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        wide = browser.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
        if wide > 0:
            yield f"at {width} pixels it is {wide} too wide"
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    if seen["equations"] != seen["typeset"] or seen["wrong"]:
        yield f"of {seen['equations']} equations {seen['typeset']} are typeset and {seen['wrong']} wrong"
    yield from (f"no picture: {source}" for source in seen["empty"])
    yield from (f"console: {entry['message']}" for entry in browser.get_log("browser") if entry["level"] == "SEVERE")
    host = urlsplit(address).netloc
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        url = urlsplit(message["params"].get("request", {}).get("url", ""))
        if message["method"] == "Network.requestWillBeSent" and url.scheme.startswith("http") and url.netloc != host:
            yield f"asked {url.netloc} for {url.path}"
        if message["method"] == "Network.loadingFailed" and not message["params"].get("canceled"):
            yield f"a request failed: {message['params']['errorText']}"


def test_every_page_is_whole_in_a_browser_on_a_desk_and_on_a_telephone(site, browser, serve):
    address, found = serve(site), {}
    for path in sorted(site.rglob("*.html")):
        page = path.relative_to(site).as_posix()
        found[page] = list(faults(browser, address + page))
    assert not {page: said for page, said in found.items() if said}


def test_every_fault_is_seen_in_a_browser(tmp_path, browser, serve):
    head = "<!doctype html><meta name=viewport content='width=device-width'><link rel=icon href='data:,'>"
    wrong = {
        "console: ": "<script>throw Error('wrong')</script>",
        "at 390 pixels it is ": "<div style='width: 800px'>wide</div>",
        "of 1 equations 0 are typeset": "<div class=math>$$x$$</div>",
        "no picture: ": "<img src='none.png'>",
        "asked 127.0.0.2:9 for /a.js": "<script src='http://127.0.0.2:9/a.js'></script>",
    }
    for number, body in enumerate(["", *wrong.values()]):
        (tmp_path / f"{number}.html").write_text(head + body)
    address = serve(tmp_path)
    assert not list(faults(browser, f"{address}0.html"))
    for number, said in enumerate(wrong, start=1):
        assert any(fault.startswith(said) for fault in faults(browser, f"{address}{number}.html")), said
