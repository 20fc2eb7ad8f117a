"""Rules of the house that a reader would otherwise have to watch over: read from the source, not from memory."""

import ast
import inspect
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import tinybnn
from benchmarks.size import FOLDERS, imports
from tinybnn.testing import FORMS, OPS

ROOT = Path(tinybnn.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
SOURCES = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in FILES}
TESTS = {path.name: path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.rglob("*.py"))}
FLOOR = {folder: floor for floor, folders in enumerate(FOLDERS) for folder in folders.split()}
IMPORTS = imports()


def nodes(kind, sources):
    for name, text in sources.items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, kind):
                yield name, node


def folder(module):
    """The folder, or the file at the top, in which a module of the package lies."""
    return module.split(".")[1]


def test_every_folder_has_its_floor():
    found = {
        path.name.removesuffix(".py")
        for path in ROOT.iterdir()
        if path.suffix == ".py" or (path / "__init__.py").is_file()
    }
    unknown, gone = found - {*FLOOR, "__init__"}, set(FLOOR) - found
    assert not unknown, f"{unknown} has no place among the folders: add it to FOLDERS in benchmarks/size.py"
    assert not gone, f"{gone} is gone: take it out of FOLDERS in benchmarks/size.py"


@pytest.mark.parametrize("module", IMPORTS)
def test_imports_run_downward(module):
    here = FLOOR[folder(module)]
    above = {other for other in IMPORTS[module] if FLOOR[folder(other)] > here and folder(module) != "testing"}
    assert not above, f"{module} imports {above}, which lies in a folder above its own: move one of the two"
    beside = {other for other in IMPORTS[module] if FLOOR[folder(other)] == here and folder(other) != folder(module)}
    assert not beside - {"tinybnn.notation"}, f"{module} imports {beside} from a folder beside its own"


@pytest.mark.parametrize("module", IMPORTS)
def test_only_the_application_and_the_tests_know_what_is_fast_and_what_is_tested(module):
    chosen = {folder(other) for other in IMPORTS[module]} & {"fast", "testing"} - {folder(module)}
    allowed = {"app": {"fast", "testing"}, "testing": {"fast"}}.get(folder(module), set())
    assert chosen <= allowed, f"{module} imports from {chosen - allowed}: without that folder it must still work"


def test_no_imports_in_a_circle():
    done = set()

    def visit(module, path):
        assert module not in path, f"imports in a circle: {' -> '.join([*path, module])}"
        if module not in done:
            for other in IMPORTS[module]:
                visit(other, [*path, module])
            done.add(module)

    for module in IMPORTS:
        visit(module, [])


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
def test_a_file_says_what_it_is(name):
    assert ast.get_docstring(ast.parse(SOURCES[name])), f"{name} has no docstring: say in a line what it holds"


def test_the_core_imports_numpy_and_nothing_heavier():
    heavy = "hypothesis matplotlib PIL scipy tqdm argparse"
    code = f"import sys, tinybnn; print([m for m in '{heavy}'.split() if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


# -- the table of operations, and the table of contents -------------------------------------------------------------

OPERATIONS = [name for name in SOURCES if name.startswith(("ops/", "metrics/")) and not name.endswith("__init__.py")]


def functions_of(name):
    """The functions that a file defines, by name."""
    module = import_module("tinybnn." + name.removesuffix(".py").replace("/", "."))
    return {n: f for n, f in inspect.getmembers(module, inspect.isfunction) if f.__module__ == module.__name__}


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_with_a_specification_or_a_backward_is_in_the_table(name):
    own, record = functions_of(name), f"add it to tinybnn/testing/{name.replace('metrics/', 'ops/')}"
    for function in own:
        if function + "_loops" in own:
            assert function in OPS, f"{name}: {function} has a specification and no record in OPS: {record}"
        if function.endswith("_packed"):
            assert function in FORMS, f"{name}: no record has {function}: write packed=Packed(...) in {record[7:]}"
        if function + "_backward" in own and not function.startswith("_"):
            assert function + "_loops" in own, (
                f"{name}: {function} has a backward pass: write {function}_loops above it"
            )
            assert OPS[function].backward, f"{name}: the record of {function} in OPS does not name its backward pass"


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_is_in_the_table_of_contents(name):
    room, file = name.split("/")
    contents = SOURCES[f"{room}/__init__.py"]
    own = functions_of(name)
    public = {f for f in own if f + "_loops" in own or f.endswith("_packed")}
    missing = {f for f in public if not re.search(rf"\b{f}\b", contents)}
    where = f"the line of {file.removesuffix('.py')} in tinybnn/{room}/__init__.py"
    assert not missing, f"{missing} is in no table of contents: add it to {where}"


def test_what_the_package_exports_is_there_and_documented():
    for name in tinybnn.__all__:
        assert getattr(tinybnn, name).__doc__, f"tinybnn.{name} has no docstring"
