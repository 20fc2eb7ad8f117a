"""Files are either complete or absent, and hold only numbers and JSON."""

import io
import os
import pickle
import tracemalloc
import warnings
import zipfile

import numpy as np
import pytest

from tinybnn.data.store import (
    DIGITS,
    load_arrays,
    load_json,
    locked,
    options,
    save_arrays,
    save_json,
    sha256,
    write_whole,
)
from tinybnn.model.net import Config
from tinybnn.model.train import Training

ARRAYS = {"a/b.c": np.arange(6, dtype=np.uint64).reshape(2, 3), "x": np.array([-0.0, np.inf], np.float32)}


def test_arrays_come_back_bit_for_bit(tmp_path):
    save_arrays(tmp_path / "deep" / "file.npz", ARRAYS, {"kind": "thing", "n": [1, 2]})
    arrays, meta = load_arrays(tmp_path / "deep" / "file.npz", "thing")
    assert meta == {"kind": "thing", "n": [1, 2]} and arrays.keys() == ARRAYS.keys()
    for k, v in ARRAYS.items():
        assert arrays[k].dtype == v.dtype and arrays[k].tobytes() == v.tobytes()


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file.json"
    save_json(path, {"old": 1})
    old = path.read_bytes()

    def fail(file):
        file.write(b"half")
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        write_whole(path, fail)
    assert path.read_bytes() == old and os.listdir(tmp_path) == ["file.json"]


def test_new_files_can_be_read_by_whom_the_umask_allows(tmp_path):
    (tmp_path / "plain").write_text("")
    save_json(tmp_path / "ours", {})
    assert (tmp_path / "plain").stat().st_mode == (tmp_path / "ours").stat().st_mode


def test_bad_files_are_refused_in_one_line(tmp_path):
    def message(content):
        (tmp_path / "bad.npz").write_bytes(content)
        with pytest.raises(ValueError) as error:
            load_arrays(tmp_path / "bad.npz", "run")
        assert "\n" not in str(error.value)
        return str(error.value)

    save_arrays(tmp_path / "other.npz", ARRAYS, {"kind": "packed network"})
    whole = (tmp_path / "other.npz").read_bytes()
    assert message(whole).endswith("holds a packed network, expected a run")
    assert "not a tinybnn run" in message(whole[: len(whole) // 2])
    assert "not a tinybnn run" in message(b"")
    assert "not a tinybnn run" in message(pickle.dumps({"kind": "run"}))
    np.savez(tmp_path / "strange.npz", x=np.zeros(3))
    assert "not a tinybnn run" in message((tmp_path / "strange.npz").read_bytes())
    with pytest.raises(ValueError, match="no such file, expected a tinybnn run"):
        load_arrays(tmp_path / "nowhere.npz", "run")


def test_a_pickled_object_is_never_loaded(tmp_path):
    np.savez(tmp_path / "evil.npz", x=np.array([{"a": 1}], dtype=object), **{"meta.json": np.zeros(2, np.uint8)})
    with pytest.raises(ValueError, match="not a tinybnn run"):
        load_arrays(tmp_path / "evil.npz", "run")


@pytest.mark.parametrize("bit", [0, 7])
def test_every_flipped_bit_is_refused(tmp_path, bit):
    save_arrays(tmp_path / "file.npz", ARRAYS, {"kind": "thing"})
    whole = (tmp_path / "file.npz").read_bytes()
    for i in range(len(whole)):
        (tmp_path / "file.npz").write_bytes(whole[:i] + bytes([whole[i] ^ 1 << bit]) + whole[i + 1 :])
        with pytest.raises(ValueError, match=r"file.npz: not a tinybnn thing \(it does not end in the sha256"):
            load_arrays(tmp_path / "file.npz", "thing")


def zipped(path, entries, method=zipfile.ZIP_STORED):
    """A zip of these (name, bytes), with the comment that makes it one of ours."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that come twice
        for name, content in entries:
            archive.writestr(name, content)
        archive.comment = b"0" * DIGITS
    content = file.getvalue()[:-DIGITS]
    path.write_bytes(content + sha256(content))


def entry(shape, numbers=2, dtype="<f4", version=(1, 0)):
    head = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY" + bytes(version) + len(head).to_bytes(2, "little") + head + bytes(4 * numbers)


META = ("meta.json.npy", entry("(16,)", 0, "|u1") + b'{"kind":"thing"}')


@pytest.mark.parametrize(
    "entries",
    [
        [("x.npy", entry("(1000000000,)"))],
        [("x.npy", entry(f"({2**62}, 8)"))],
        [("x.npy", entry("(1,)"))],
        [("x.npy", entry("(-1, -2)"))],
        [("x.npy", entry("(2L,)"))],
        [("x.npy", entry("(" * 200))],
        [("x.npy", entry("(2,)", dtype="|O"))],
        [("x.npy", entry("(1,)", dtype="<U2"))],
        [("x.npy", entry("(2,)", version=(9, 9)))],
        [("x.npy", b"")],
        [("x.npy", entry("(2,)"))] * 2,
    ],
)
def test_an_entry_that_is_no_plain_array_of_its_size_is_refused_before_memory_is_taken(tmp_path, entries):
    zipped(tmp_path / "file.npz", [META, ("x.npy", entry("(2,)"))])
    assert load_arrays(tmp_path / "file.npz", "thing")[0]["x"].tolist() == [0, 0]
    zipped(tmp_path / "file.npz", [META, *entries])
    tracemalloc.start()
    with pytest.raises(ValueError, match="file.npz: not a tinybnn thing"):
        load_arrays(tmp_path / "file.npz", "thing")
    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()


def test_what_is_packed_in_a_zip_is_not_unpacked(tmp_path):
    zipped(tmp_path / "bomb.npz", [META, ("x.npy", entry("(25000000,)", 25_000_000))], zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match="its entries are compressed, or larger than the file"):
        load_arrays(tmp_path / "bomb.npz", "thing")


def test_an_interrupt_just_after_the_rename_is_an_interrupt(tmp_path, monkeypatch):
    def replace(old, new, original=os.replace):
        original(old, new)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(KeyboardInterrupt):
        save_json(tmp_path / "file.json", {})
    assert os.listdir(tmp_path) == ["file.json"]


def test_a_folder_is_held_by_one_and_cleared_of_what_the_dead_left(tmp_path):
    (tmp_path / ".run.npz.ab_12cd9").write_text("")
    (tmp_path / ".mine").write_text("")
    with locked(tmp_path, ["run.npz"]):
        assert sorted(os.listdir(tmp_path)) == [".lock", ".mine"]
        with pytest.raises(ValueError, match="another process is training into it"), locked(tmp_path, []):
            raise AssertionError("two hold one folder")
    with locked(tmp_path, []):
        assert os.path.exists(tmp_path / ".lock")


@pytest.mark.parametrize(
    "content, words",
    [
        ("{}".encode("utf-16"), "not JSON in UTF-8"),
        (b"\xef\xbb\xbf{}", "BOM"),
        (b"", "Expecting value"),
        (b"[" * 100_000, "not JSON in UTF-8"),
        (b'{"a": 1, "a": 2}', "a comes twice"),
    ],
)
def test_what_is_no_json_is_refused_in_one_line(tmp_path, content, words):
    (tmp_path / "file.json").write_bytes(content)
    with pytest.raises(ValueError, match=words):
        load_json(tmp_path / "file.json")


@pytest.mark.parametrize(
    "kind, name, value, expected",
    [
        (Config, "binary", "false", "true or false"),
        (Config, "binary", 0, "true or false"),
        (Config, "width", 4.0, "a whole number"),
        (Config, "pad_value", True, "a whole number"),
        (Config, "levels", 3, "a list of values"),
        (Config, "levels", [1, "2"], "a whole number"),
        (Config, "quantizer", None, "a text"),
        (Training, "lr", float("nan"), "a finite number"),
        (Training, "lr", 10**400, "a finite number"),
        (Training, "lr", "0.1", "a finite number"),
        (Training, "zoom", [1], "a list of 2 values"),
        (Training, "zoom", {}, "a list of 2 values"),
    ],
)
def test_settings_have_the_types_of_their_annotations(kind, name, value, expected):
    with pytest.raises(ValueError, match=rf"{kind.__name__}: {name}.* is .*, expected {expected}"):
        options(kind, {name: value})


def test_options_from_json():
    assert options(Training, {"steps": 7, "zoom": [1, 2]}) == Training(steps=7, zoom=(1, 2))
    for values in (None, [], 1, "steps"):
        with pytest.raises(ValueError, match="Training is .*, expected names and values"):
            options(Training, values)
    with pytest.raises(ValueError, match="Training: unknown option stepz, expected steps, batch"):
        options(Training, {"stepz": 7})
