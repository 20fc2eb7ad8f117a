"""How the site is built: ``python -m sphinx -W -b html docs build/site``, without a network, as it is read.

Three folders beside this file are written here and are in ``.gitignore``: ``api``, a page for each file of the
package; ``tutorials``, the executed notebooks; ``more``, pages from other folders.
"""

import json
import os
import re
from importlib import import_module
from inspect import getdoc
from pathlib import Path

from sphinx.ext.napoleon import Config, NumpyDocstring

import tinybnn

DOCS = Path(__file__).parent
ROOT = DOCS.parent

# -- what Sphinx asks -----------------------------------------------------------------------------------------------

project, author = "tinybnn", "the tinybnn developers"
version = release = tinybnn.__version__
copyright = f"{author}. MIT licence"  # no year: the same sources build the same site
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "sphinx-mathjax-offline",  # MathJax 3 and its fonts, copied into the site
]
nitpicky = True  # a name in a docstring that leads nowhere is a warning
IN_SIGNATURES = r"(argparse|collections|numpy|pathlib|tinybnn\.testing)\..*|tinybnn\.notation\.Whole"
nitpick_ignore_regex = [("py:class", IN_SIGNATURES)]

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # they were executed when they were built; see tutorials/README.md
nb_merge_streams = True
nb_code_prompt_show, nb_code_prompt_hide = "Show the answer", "Hide the answer"
mathjax3_config = {"options": {"enableMenu": False}}  # MathJax's menu offers to load more from its authors' server

autodoc_default_options = {"members": True, "member-order": "bysource", "no-value": True}
autodoc_preserve_defaults = True  # "quantizer=clipped", not the address of a lambda
autodoc_typehints_format = "short"
maximum_signature_line_length = 80

html_theme = "furo"
html_title = "tinybnn"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/favicon.svg"
html_copy_source = False
highlight_language = "text"  # in docstrings a block without a prompt is a table or a formula

# -- pages that are written -----------------------------------------------------------------------------------------

FOLDERS = "notation validate ops metrics data model fast testing app".split()
"""The folders of the package, and the files beside them, in reading order."""


def files_of(folder):
    """The files of a folder in the order in which its docstring names them, as ``ops.conv``; testing is one page."""
    if folder == "testing" or not (ROOT / "tinybnn" / folder).is_dir():
        return [folder]
    contents = getdoc(import_module(f"tinybnn.{folder}"))
    names = [path.stem for path in (ROOT / "tinybnn" / folder).glob("*.py") if path.stem != "__init__"]
    place = {name: re.search(rf"\b{name}\b", contents) for name in sorted(names)}
    order = sorted(place, key=lambda name: place[name].start() if place[name] else len(contents))
    return [f"{folder}.{name}" for name in order]


ROOMS = {folder: files_of(folder) for folder in FOLDERS}
MODULES = [room for rooms in ROOMS.values() for room in rooms]

COPIED = {ROOT / "CONTRIBUTING.md": "more/contributing.md", ROOT / "tests/survivors.md": "more/survivors.md"}
COPIED |= {ROOT / f"benchmarks/{name}.md": f"more/{name.lower()}.md" for name in ("RESULTS", "ENDURANCE")}
COPIED |= {path: f"tutorials/{path.name}" for path in sorted((ROOT / "tutorials/solutions").glob("*.ipynb"))}
COPIED |= {path: "tutorials/teachers.md" for path in (ROOT / "tutorials").glob("README.md")}

WRITTEN = {page: path.read_text(encoding="utf-8") for path, page in COPIED.items()}
for room in MODULES:
    WRITTEN[f"api/{room}.md"] = f"# {room}\n\n```{{eval-rst}}\n.. automodule:: tinybnn.{room}\n```\n"

for page, text in WRITTEN.items():
    file = DOCS / page
    file.parent.mkdir(exist_ok=True)
    if not (file.exists() and file.read_text(encoding="utf-8") == text):  # an unchanged page is not built again
        file.write_text(text, encoding="utf-8")
for file in [file for folder in ("api", "more", "tutorials") for file in (DOCS / folder).glob("*")]:
    if file.relative_to(DOCS).as_posix() not in WRITTEN:
        file.unlink()

# -- links between files become links between pages -----------------------------------------------------------------

PAGES = COPIED | {ROOT / "README.md": "index.md"} | {path: path.name for path in DOCS.glob("*.md")}
PAGES |= {ROOT / f"tutorials/{path.name}": page for path, page in COPIED.items() if path.suffix == ".ipynb"}
PAGES |= {ROOT / f"tinybnn/{room.replace('.', '/')}.py": f"api/{room}.md" for room in MODULES}
HOMES = {page.rsplit(".", 1)[0]: path.parent for path, page in COPIED.items() if path.suffix == ".md"}


ASKED = ("exercise", "prediction")
"""What a cell of a lesson is marked with, if it is to be answered."""


def relink(text, home):
    """The links of a file that lay in ``home``; a file that is no page of the site is named, not linked."""

    def link(match):
        words, target, anchor = match.groups(default="")
        file = Path(os.path.normpath(home / target))
        if file in PAGES:
            return f"[{words}](/{PAGES[file]}{anchor})"
        return words if file.exists() and DOCS not in file.parents else match[0]

    return re.sub(r"(?<!!)\[([^\]]*)\]\(([^:)#\s]+)(#[^)]*)?\)", link, text)


def first_line(room):
    """The first sentence of a file's docstring, as far as its first line goes."""
    return getdoc(import_module(f"tinybnn.{room}")).split("\n")[0]


def read_page(app, docname, source):
    """Every page on its way in. A notebook's page offers the student's, and does not show how to install."""
    if docname == "api":
        lines = []
        for folder, rooms in ROOMS.items():
            lines += [f"\n## {folder}\n"] if len(rooms) > 1 else []
            lines += [f"- [{room}](api/{room}.md): {first_line(room)}" for room in rooms]
        tree = "\n".join(f"api/{room}" for room in MODULES)
        source[0] = source[0].replace("LINES", "\n".join(lines)).replace("TREE", tree)
    if f"{docname}.ipynb" not in COPIED.values():
        source[0] = relink(source[0], HOMES.get(docname, DOCS))
        return
    notebook = json.loads(source[0])
    stubs = json.loads((ROOT / f"{docname}.ipynb").read_text(encoding="utf-8"))["cells"]
    stubs = {cell["id"]: cell | {"id": f"{cell['id']}-stub"} for cell in stubs if {*ASKED} & {*cell["metadata"]}}
    shown = [[stubs[cell["id"]], cell] if cell["id"] in stubs else [cell] for cell in notebook["cells"]]
    notebook["cells"] = [cell for cells in shown for cell in cells]  # what is asked for, above its folded answer
    student = f"{{download}}`Without answers, as a notebook </../{docname}.ipynb>`"
    for cell in notebook["cells"]:
        if "install" in cell["metadata"].get("tags", []):
            cell["metadata"]["tags"].append("remove-cell")
        if cell["cell_type"] == "markdown":
            cell["source"] = relink("".join(cell["source"]), ROOT / "tutorials")
    first = notebook["cells"][0]
    first["source"] = re.sub(r"^(# .*)$", rf"\1\n\n{student}\n", first["source"], count=1, flags=re.M)
    source[0] = json.dumps(notebook)


# -- docstrings -----------------------------------------------------------------------------------------------------


def read_equations():
    """What ``equations.md`` has for each function, as reStructuredText: the second equation is the gradient's."""
    found = {}
    for section in re.split(r"^## ", (DOCS / "equations.md").read_text(encoding="utf-8"), flags=re.M)[1:]:
        name, text = section.split("\n", 1)
        words, forward, more, *backward = text.split("$$")
        found[name] = [*words.splitlines(), *display(forward), *more.splitlines(), ""]
        if backward:
            found[f"{name}_backward"] = display(backward[0])
    return found


def display(equation):
    return ["", ".. math::", "", *(f"   {line}" for line in equation.strip().splitlines()), ""]


EQUATIONS = read_equations()
NUMPYDOC = Config(napoleon_use_param=False, napoleon_use_rtype=False)  # types are prose, no names to look up


def read_docstring(app, what, name, obj, options, lines):
    """Equations behind the first paragraph; a paragraph each for exactness and source; papers as links."""
    if what not in ("attribute", "data", "property"):  # there a colon would be taken for the end of a type
        lines[:] = NumpyDocstring(lines, NUMPYDOC, app, what, name, obj, options).lines()
    if what == "function":
        first = lines.index("")
        lines[first:first] = EQUATIONS.get(name.rsplit(".", 1)[1], [])
    text = "\n".join(lines)
    text = re.sub(r"\s*\b(Exactness|Source|Status|See also): ", r"\n\n**\1:** ", text)
    text = re.sub(r"arXiv (\d{4}\.\d{4,5})", r"`arXiv \1 <https://arxiv.org/abs/\1>`__", text)
    lines[:] = text.splitlines()


def skip_member(app, what, name, obj, skip, options):
    """The fields of a NamedTuple stand in its signature; ``Alias for field number 0`` says no more."""
    return True if (getdoc(obj) or "").startswith("Alias for field number") else None


def code_of(app, modname, name):
    """Where ``[source]`` leads. The type of an alias, ``tuple[int, int]``, is no code of ours."""
    module = getattr(getattr(import_module(modname), name.split(".")[0], None), "__module__", None) or ""
    return module if module.startswith("tinybnn") else modname


def setup(app):
    app.connect("source-read", read_page)
    app.connect("autodoc-process-docstring", read_docstring)
    app.connect("autodoc-skip-member", skip_member)
    app.connect("viewcode-follow-imported", code_of)
