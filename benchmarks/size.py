"""How large the package is, and how deep its imports go: ``python -m benchmarks.size``."""

import ast
from pathlib import Path

from tinybnn.app.demo import table

ROOT = Path(__file__).parent.parent / "tinybnn"


def lines(*folders):
    """Lines of all Python files below these folders of the package."""
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files)


def imports():
    """The files of the package, each with the files of the package that it imports, wherever in the file."""
    names = {
        path.relative_to(ROOT.parent).with_suffix("").as_posix().replace("/", "."): path for path in ROOT.rglob("*.py")
    }
    names = {name: path for name, path in names.items() if not name.endswith(("__init__", "__main__"))}
    found = {}
    for name, path in names.items():
        found[name] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                base = ".".join(name.split(".")[: -node.level]) if node.level else ""
                full = ".".join(part for part in (base, node.module) if part)
                found[name] |= {full, *(f"{full}.{alias.name}" for alias in node.names)} & names.keys()
    return found


def depth(found):
    """The longest chain of imports: a file that imports none is 1 deep."""
    known = {}

    def of(name):
        if name not in known:
            known[name] = 1 + max(map(of, found[name]), default=0)
        return known[name]

    return max(map(of, found))


def main():
    whole, testing = lines("."), lines("testing")
    found = imports()
    core = {name: others for name, others in found.items() if ".testing." not in name}
    core = {name: others & core.keys() for name, others in core.items()}
    table(
        ["figure", "now", "at most"],
        [
            ["lines of tinybnn/ without testing/", whole - testing, 9200],
            ["of these ops/ + model/", lines("ops", "model"), 5500],
            ["of these fast/", lines("fast"), 900],
            ["lines of testing/", testing, 6500],
            ["of these the catalogue of mistakes", lines("testing/mistakes"), 2500],
            ["folders from the first import to the last", len(FOLDERS), 8],
            ["longest chain of imports between files", depth(core), None],
        ],
    )


FOLDERS = "notation validate", "ops", "metrics data", "model", "fast", "testing", "app", "__main__"
"""The folders and files of the package from the ground up: each imports only from those before it."""

if __name__ == "__main__":
    main()
