"""Rules of the house that a reader would otherwise have to watch over: read from the source, not from memory."""

import ast
import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import tinybnn
from tinybnn.testing import OPS

ROOT = Path(tinybnn.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
SOURCES = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in FILES}
TESTS = {path.name: path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.rglob("*.py"))}

FLOORS = (
    "notation validate workspace",
    "binarize bitpack phases conv upsample subpixel metrics structure saliency store gradcheck",
    "norm pool binary_conv upsample_conv digits triples product packed_tiles packed_conv",
    "attend images optim report stage street_things augment",
    "fold activation loss pyramid attention data street",
    "multibranch multibranch_packed reduced_attention",
    "blocks",
    "net",
    "cost evaluate deploy train",
    "arms plot",
    "demo",
    "testing",
    "cli",
    "__main__",
)
"""Rooms from the ground up: a room imports from lower floors, or from earlier on its own floor, never from above."""

ORDER = {room: (floor, place) for floor, rooms in enumerate(FLOORS) for place, room in enumerate(rooms.split())}


def nodes(kind, sources):
    for name, text in sources.items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, kind):
                yield name, node


def imported_rooms(name, text):
    """The tinybnn rooms that a file imports, relative or absolute."""
    package = ["tinybnn", *name.split("/")[:-1]]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            path = base + (node.module.split(".") if node.module else [])
            for full in [path] if len(path) > 1 else [[*path, alias.name] for alias in node.names]:
                yield full[1]


def test_every_room_has_its_floor():
    rooms = {name.split("/")[0].removesuffix(".py") for name in SOURCES} - {"__init__"}
    assert rooms == set(ORDER), "a room was added or removed: give it a floor in FLOORS"


@pytest.mark.parametrize("name", [n for n in SOURCES if n != "__init__.py" and not n.startswith("testing/")])
def test_imports_run_downward(name):
    room = name.split("/")[0].removesuffix(".py")
    above = {other for other in imported_rooms(name, SOURCES[name]) if ORDER[other] >= ORDER[room]}
    assert not above, f"{name} imports {above} from above"


def test_no_result_of_a_comparison_is_thrown_away():
    for name, node in nodes(ast.Expr, SOURCES | TESTS):
        assert not isinstance(node.value, ast.Compare), f"{name}:{node.lineno} compares and forgets"


def test_no_global_random_state():
    allowed = {"default_rng", "Generator", "SeedSequence", "get_state"}  # reading the global state is no use of it
    for name, node in nodes(ast.Attribute, SOURCES | TESTS):
        if isinstance(node.value, ast.Attribute) and node.value.attr == "random":
            assert node.attr in allowed, f"{name}:{node.lineno} uses np.random.{node.attr}"


def test_no_assert_guards_the_library_and_no_except_is_silent():
    for name, node in nodes(ast.Assert, SOURCES):
        raise AssertionError(f"{name}:{node.lineno} asserts; raise instead")
    for name, node in nodes(ast.ExceptHandler, SOURCES):
        assert node.type is not None, f"{name}:{node.lineno} excepts everything"
        assert not all(isinstance(s, ast.Pass) for s in node.body), f"{name}:{node.lineno} excepts in silence"


def functions_at_the_top_or_in_a_class(body):
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from functions_at_the_top_or_in_a_class(node.body)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


@pytest.mark.parametrize("name", SOURCES)
def test_every_function_is_hinted(name):
    for f in functions_at_the_top_or_in_a_class(ast.parse(SOURCES[name]).body):
        a = f.args
        given = [p for p in (*a.posonlyargs, *a.args, a.vararg, *a.kwonlyargs, a.kwarg) if p]
        bare = [p.arg for p in given if p.annotation is None and p.arg not in ("self", "cls")]
        assert not bare, f"{name}:{f.lineno} {f.name} does not say what {', '.join(bare)} is"
        assert f.returns, f"{name}:{f.lineno} {f.name} does not say what it returns"


def test_nothing_is_unpickled():
    for name, node in nodes(ast.Call, SOURCES):
        if isinstance(node.func, ast.Attribute) and node.func.attr == "load" and ast.unparse(node.func) == "np.load":
            flags = {k.arg: ast.unparse(k.value) for k in node.keywords}
            assert flags.get("allow_pickle") == "False", f"{name}:{node.lineno} does not refuse pickles"
    for name, node in nodes((ast.Import, ast.ImportFrom), SOURCES):
        assert "pickle" not in ast.unparse(node), f"{name}:{node.lineno} imports pickle"


@pytest.mark.parametrize("name", SOURCES)
def test_a_file_has_one_subject(name):
    assert SOURCES[name].count("\n") <= 320, f"{name} wants splitting"
    assert ast.get_docstring(ast.parse(SOURCES[name])) or not SOURCES[name].strip(), f"{name} does not say what it is"


def test_the_core_imports_numpy_and_nothing_heavier():
    heavy = "hypothesis matplotlib PIL scipy tqdm argparse"
    code = f"import sys, tinybnn; print([m for m in '{heavy}'.split() if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


ROOMS = [room for floor in FLOORS[1:7] for room in floor.split() if (ROOT / f"{room}.py").is_file()]


@pytest.mark.parametrize("room", ROOMS)
def test_every_operation_with_a_specification_or_a_backward_is_in_the_table(room):
    module = import_module(f"tinybnn.{room}")
    own = {n: f for n, f in inspect.getmembers(module, inspect.isfunction) if f.__module__ == module.__name__}
    for name in own:
        if name + "_loops" in own:
            assert name in OPS, f"{room}.{name} has a specification and no record in OPS"
        if name + "_backward" in own and room != "blocks":
            assert name in OPS and OPS[name].backward, f"{room}.{name} has a backward and no record of it in OPS"
            assert name + "_loops" in own, f"{room}.{name} has a backward and no specification"


def test_what_the_package_exports_is_there_and_documented():
    for name in tinybnn.__all__:
        assert getattr(tinybnn, name).__doc__, f"tinybnn.{name} has no docstring"
