"""Image and label files: every mode against Pillow, every coding against its rule, special cases of published files."""

import itertools
import re
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from tinybnn.data.images import (
    CITY_CLASSES,
    CITY_COLOURS,
    IGNORE,
    TRAIN_ID,
    TWO_COLOURS,
    DataError,
    DataWarning,
    city_label,
    colours,
    fit_label,
    object_label,
    read_bytes,
    read_image,
    road_label,
    save_label,
    save_overlay,
)

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (13, 7, 3), dtype=np.uint8)
VOC = [0, 0, 0, 128, 0, 0, 0, 128, 0] + [90, 60, 30] * 4 + [128, 128, 128] + [1, 2, 3] * 247 + [224, 224, 192]


def save(path, array, mode=None, **options):
    image = Image.fromarray(np.asarray(array))
    (image.convert(mode) if mode else image).save(path, **options)
    return path


def indexed(path, index, palette, **options):
    index = np.array(index, np.uint8)
    image = Image.frombytes("P", index.shape[::-1], index.tobytes())
    image.putpalette(palette)
    image.save(path, **options)
    return path


def says(text):
    """Matches a one-line error that holds ``text``."""
    return rf"\A[^\n]*{re.escape(text)}[^\n]*\Z"


# -- images -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_every_mode_becomes_rgb_as_pillow_has_it(mode, tmp_path):
    path = save(tmp_path / "a.png", RGB, mode)
    image = read_image(path)
    assert image.shape == (13, 7, 3) and image.dtype == np.float32
    np.testing.assert_array_equal(np.rint(image * 255), np.asarray(Image.open(path).convert("RGB")))
    assert 0 <= image.min() and image.max() <= 1


def test_white_is_one_and_black_is_zero(tmp_path):
    image = read_image(save(tmp_path / "a.png", np.array([[0, 255]], np.uint8)))
    np.testing.assert_array_equal(image, [[[0, 0, 0], [1, 1, 1]]])


@pytest.mark.parametrize("transparency", [1, bytes([0, 3, 255])])
def test_transparent_palettes_keep_their_colours_and_do_not_warn(transparency, tmp_path):
    palette = [10, 20, 30, 40, 50, 60, 70, 80, 90]
    path = indexed(tmp_path / "a.png", [[0, 1, 2]], palette, transparency=transparency)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = read_image(path)
    np.testing.assert_array_equal(np.rint(image * 255), np.reshape(palette, (1, 3, 3)))


def test_exif_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: a viewer shows the picture turned clockwise
    path = save(tmp_path / "a.png", RGB, exif=exif)
    np.testing.assert_array_equal(np.rint(read_image(path) * 255), np.rot90(RGB, -1))


@pytest.mark.parametrize("size", [(321, 481), (375, 1242), (1, 1)])
def test_odd_sizes(size, tmp_path):
    assert read_image(save(tmp_path / "a.jpg", np.zeros((*size, 3), np.uint8))).shape == (*size, 3)


def test_sixteen_bits_are_refused(tmp_path):
    path = save(tmp_path / "a.png", np.full((2, 3), 40000, np.uint16))
    with pytest.raises(DataError, match=rf"\Aread: {re.escape(str(path))} has mode I.*, expected 8 bits a channel\Z"):
        read_image(path)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_file_cut_anywhere_is_one_line_or_complete(suffix, tmp_path):
    path = save(tmp_path / f"a.{suffix}", RGB)
    whole, image, refused = path.read_bytes(), read_image(path), 0
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        try:
            np.testing.assert_array_equal(read_image(path), image)  # only a checksum or an end mark was lost
        except DataError as error:
            refused += 1
            assert re.match(says(f"read: {path} cannot be read: "), str(error))
    assert refused >= len(whole) - 21


def test_a_file_with_changed_bytes_is_one_line_or_an_image(tmp_path):
    path = save(tmp_path / "a.png", RGB, "P")
    whole, refused = path.read_bytes(), 0
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        for read in (read_image, road_label, object_label):
            try:
                read(path)
            except DataError as error:
                refused += 1
                assert "\n" not in str(error)
    assert refused > len(whole)


@pytest.mark.parametrize(
    "error, reason",
    [
        (TypeError("bad\noperand"), "bad operand"),
        (MemoryError(), "MemoryError"),
        (SyntaxError("broken"), "broken"),
        (OSError(5, "Input error"), "Input error"),
    ],
)
def test_whatever_the_decoder_raises_is_one_line(error, reason, tmp_path, monkeypatch):
    def load(self):
        raise error

    path = save(tmp_path / "a.png", RGB)
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", load)
    with pytest.raises(DataError, match=says(f"read: {path} cannot be read: {reason}")):
        read_image(path)


def test_what_is_no_image_is_said(tmp_path):
    path = tmp_path / "a.png"
    with pytest.raises(DataError, match=says(f"read: {path} cannot be read: No such file")):
        read_image(path)
    path.write_text("<html>404</html>")
    with pytest.raises(DataError, match=says(f"read: {path} cannot be read: not an image")):
        read_image(path)
    with pytest.raises(DataError, match=says(f"read: {tmp_path} cannot be read: ")):
        read_image(tmp_path)


@pytest.mark.parametrize(
    "name, header, bits",
    [
        (
            "a.png",
            b"IHDR" + (3).to_bytes(4, "big") + (2).to_bytes(4, "big") + bytes([16, 2, 0, 0, 0]),
            "RGB of 16 bits",
        ),
        (
            "a.png",
            b"IHDR" + (3).to_bytes(4, "big") + (2).to_bytes(4, "big") + bytes([16, 6, 0, 0, 0]),
            "RGBA of 16 bits",
        ),
        ("a.ppm", b"P6 3 2 65535\n", "RGB of 16 bits"),
        ("a.ppm", b"P6 3 2 256\n", "RGB of 9 bits"),
        ("a.ppm", b"P3 3 2 65535\n" + b"40000 " * 18, "RGB of 16 bits"),
    ],
)
def test_sixteen_bits_that_pillow_would_halve_in_silence(name, header, bits, tmp_path):
    path = tmp_path / name
    rows = (b"\0" + bytes(range(1, 1 + 2 * 3 * len(bits.split()[0])))) * 2
    chunks = [header, b"IDAT" + zlib.compress(rows), b"IEND"]
    png = [len(c[4:]).to_bytes(4, "big") + c + zlib.crc32(c).to_bytes(4, "big") for c in chunks]
    whole = b"\x89PNG\r\n\x1a\n" + b"".join(png) if name == "a.png" else header
    path.write_bytes(whole + bytes(36) * whole.startswith(b"P6"))
    for read in (read_image, road_label, object_label):
        with pytest.raises(DataError, match=says(f"read: {path} has mode {bits}, expected ")):
            read(path)


def test_eight_bits_in_every_format_are_read(tmp_path):
    for suffix in ("png", "bmp", "ppm", "tif", "webp", "gif"):
        path = save(tmp_path / f"a.{suffix}", RGB)
        with Image.open(path) as file:
            np.testing.assert_array_equal(read_bytes(path), np.asarray(file.convert("RGB")))
    path = save(tmp_path / "a.ico", RGB)
    with pytest.raises(DataError, match=says(f"read: {path} cannot be read: not an image in BMP, GIF, JPEG, PNG")):
        read_image(path)


@pytest.mark.parametrize("suffix", ["png", "gif", "tif", "webp"])
def test_several_frames_are_refused(suffix, tmp_path):
    frames = [Image.fromarray(RGB), Image.fromarray(255 - RGB)]
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:])
    with pytest.raises(DataError, match=says(f"a.{suffix} has 2 frames, expected one image")):
        read_image(tmp_path / f"a.{suffix}")
    frames[0].save(tmp_path / "a.mpo", save_all=True, append_images=frames[1:])  # as many telephones write a .jpg
    assert read_image(tmp_path / "a.mpo").shape == RGB.shape


@pytest.mark.parametrize("kind", ["1", "L", "P", "road"])
def test_no_flipped_bit_of_a_png_changes_a_label_in_silence(kind, tmp_path):
    i, j = np.ogrid[:24, :24]
    disc = (i - 11) ** 2 + (j - 12) ** 2 < 60
    mask, read = np.uint8(255 * disc), object_label
    if kind == "road":
        mask, read, kind = np.stack([mask | 255, 0 * mask, mask], -1), road_label, "RGB"
    path = save(tmp_path / "a.png", mask, kind)
    whole, label, same = path.read_bytes(), read(path), 0
    for bit in range(8 * len(whole)):
        path.write_bytes(whole[: bit // 8] + bytes([whole[bit // 8] ^ 1 << bit % 8]) + whole[bit // 8 + 1 :])
        try:
            np.testing.assert_array_equal(read(path), label)
            same += 1
        except DataError as error:
            assert "\n" not in str(error)
    assert same <= 64  # the length and the checksum of the last, empty part


# -- Cityscapes ids -----------------------------------------------------------------------------------------------


def test_the_table_is_the_published_one():
    ids = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]
    assert TRAIN_ID.shape == (256,) and TRAIN_ID.dtype == np.uint8 and len(CITY_CLASSES) == 19
    assert [int(TRAIN_ID[i]) for i in ids] == list(range(19))
    assert {int(TRAIN_ID[i]) for i in set(range(256)) - set(ids)} == {IGNORE}
    assert list(CITY_CLASSES)[0] == "road" and list(CITY_CLASSES)[10] == "sky" and list(CITY_CLASSES)[18] == "bicycle"


def test_ids_map_as_in_pillow(tmp_path):
    ids = RNG.integers(0, 34, (11, 5), dtype=np.uint8)
    ids[0, 0] = 255
    path = save(tmp_path / "a_gtFine_labelIds.png", ids)
    label = city_label(path)
    np.testing.assert_array_equal(label, np.asarray(Image.open(path).point(TRAIN_ID.tolist())))
    assert label.dtype == np.uint8 and label[0, 0] == IGNORE


def test_train_ids_are_taken_as_they_are(tmp_path):
    ids = np.array([[0, 7, 18, 255]], np.uint8)
    np.testing.assert_array_equal(city_label(save(tmp_path / "a_gtFine_labelTrainIds.png", ids)), ids)


@pytest.mark.parametrize("coding, bad, last", [("labelIds", 34, 33), ("labelIds", 254, 33), ("labelTrainIds", 19, 18)])
def test_an_unknown_label_is_named_with_its_place(coding, bad, last, tmp_path):
    ids = np.full((4, 6), 7, np.uint8)
    ids[2, 5] = bad
    path = save(tmp_path / f"a_gtFine_{coding}.png", ids)
    with pytest.raises(
        DataError, match=says(f"read: {path} has label {bad} at row 2, column 5, expected 0..{last} or 255")
    ):
        city_label(path)


def test_ids_in_palettes(tmp_path):
    colours = indexed(tmp_path / "a_gtFine_labelIds.png", [[7, 0, 23]], VOC)
    np.testing.assert_array_equal(city_label(colours), [[0, 255, 10]])
    greys = indexed(tmp_path / "b_gtFine_labelIds.png", [[0, 1, 2]], [33] * 3 + [7] * 3 + [11] * 3)  # optimised
    np.testing.assert_array_equal(city_label(greys), [[18, 0, 2]])


@pytest.mark.parametrize("mode", ["RGB", "1"])
def test_ids_need_one_channel_of_bytes(mode, tmp_path):
    path = save(tmp_path / "a_gtFine_labelIds.png", RGB, mode)
    with pytest.raises(DataError, match=says(f"read: {path} has mode {mode}, expected one 8-bit channel of label ids")):
        city_label(path)


def test_train_ids_under_the_name_of_label_ids(tmp_path):
    ids = np.array([[0, 7, 10, 18, 255]], np.uint8)
    path = save(tmp_path / "a_gtFine_labelIds.png", ids)
    with pytest.raises(DataError, match=says(f"read: {path} has trainIds (255, and none from 19 to 33), expected")):
        city_label(path)
    save(path, ids[:, :4])
    with pytest.warns(DataWarning, match=says(f"{tmp_path} has labelIds without any from 19 to 33: are these train")):
        np.testing.assert_array_equal(city_label(path), [[255, 0, 255, 255]])


@pytest.mark.parametrize("bits", [2, 4])
def test_ids_of_fewer_bits_would_be_stretched(bits, tmp_path):
    path = tmp_path / "a_gtFine_labelIds.png"
    header = b"IHDR" + (4).to_bytes(4, "big") + (1).to_bytes(4, "big") + bytes([bits, 0, 0, 0, 0])
    chunks = [header, b"IDAT" + zlib.compress(b"\0\x12\x34"), b"IEND"]
    png = [len(c[4:]).to_bytes(4, "big") + c + zlib.crc32(c).to_bytes(4, "big") for c in chunks]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(png))
    with pytest.raises(DataError, match=says(f"read: {path} has mode L;{bits}, expected one 8-bit channel")):
        city_label(path)
    assert read_image(path).max() > 0.2


# -- KITTI road colours -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [1, 255])
def test_all_eight_colours(level, tmp_path):
    colours = np.array(list(itertools.product((0, level), repeat=3)), np.uint8)
    label = road_label(save(tmp_path / "a.png", colours[None]))
    want = [[IGNORE if r == 0 else 1 if b > 0 else 0 for r, _, b in colours]]
    np.testing.assert_array_equal(label, want)
    assert label.dtype == np.uint8
    black, red, magenta = (label[0, colours.tolist().index([r, 0, b])] for r, b in ((0, 0), (level, 0), (level, level)))
    assert (black, red, magenta) == (255, 0, 1)


def test_other_masks_are_no_road(tmp_path):
    road = np.full((4, 6, 4), 255, np.uint8)
    road[..., 1] = 0
    for name, change, what in (
        ("grey", (slice(None), 1, 255), "only greys"),
        ("blue", (slice(None), 0, 0), "no red"),
        ("alpha", (slice(3), 3, 0), "a mask as alpha"),
    ):
        mask, (rows, channel, value) = road.copy(), change
        mask[rows, :, channel] = value
        path = save(tmp_path / f"{name}.png", mask)
        with pytest.raises(DataError, match=says(f"read: {path} has {what}, expected colours: red valid")):
            road_label(path)
    assert (road_label(save(tmp_path / "a.png", road)) == 1).all()
    road[0, :, 0] = 0
    path = save(tmp_path / "exchanged.png", road)
    with pytest.raises(DataError, match=says(f"read: {path} has blue for red, expected colours: red valid")):
        road_label(path)


def test_colours_in_a_palette_and_greys_refused(tmp_path):
    path = indexed(tmp_path / "a.png", [[0, 1, 2]], [255, 0, 255, 0, 0, 0, 255, 0, 0])
    np.testing.assert_array_equal(road_label(path), [[1, 255, 0]])
    path = save(tmp_path / "b.png", RGB, "L")
    with pytest.raises(DataError, match=says(f"read: {path} has mode L, expected colours")):
        road_label(path)


# -- masks --------------------------------------------------------------------------------------------------------


def test_masks_are_grey_above_128(tmp_path):
    label = object_label(save(tmp_path / "a.png", np.array([[0, 127, 128, 129, 255]], np.uint8)))
    np.testing.assert_array_equal(label, [[0, 0, 0, 1, 1]])
    assert label.dtype == np.uint8


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_a_black_and_white_mask_is_the_same_in_every_mode(mode, tmp_path):
    mask = (RNG.random((9, 5)) < 0.5).astype(np.uint8)
    path = save(tmp_path / "a.png", np.repeat(mask[..., None] * np.uint8(255), 3, -1), mode)
    with Image.open(path) as file:
        assert file.mode == mode
    np.testing.assert_array_equal(object_label(path), mask)


def test_palettes_of_masks(tmp_path):
    inverted = indexed(tmp_path / "a.png", [[0, 1]], [255, 255, 255, 0, 0, 0])
    np.testing.assert_array_equal(object_label(inverted), [[1, 0]])
    bordered = indexed(tmp_path / "b.png", [[0, 1, 2, 255]], VOC)
    np.testing.assert_array_equal(object_label(bordered), [[0, 1, 1, 255]])
    grey_class = indexed(tmp_path / "c.png", [[0, 7]], VOC)  # the label's colour happens to be a grey of 128
    np.testing.assert_array_equal(object_label(grey_class), [[0, 1]])


def test_a_palette_that_nobody_has_filled_is_none(tmp_path):
    ids = indexed(tmp_path / "a_gtFine_labelIds.png", [[7, 0, 26]], [0] * 768)
    np.testing.assert_array_equal(city_label(ids), [[0, 255, 13]])
    with pytest.warns(DataWarning, match="masks of the greys 0 and 1"):
        np.testing.assert_array_equal(object_label(indexed(tmp_path / "a.png", [[0, 1]], [0] * 768)), [[0, 1]])
    one_colour = indexed(tmp_path / "b.png", [[0, 0]], [10, 20, 30])
    np.testing.assert_array_equal(read_bytes(one_colour), [[[10, 20, 30]] * 2])


def test_a_coloured_mask_is_refused(tmp_path):
    mask = np.zeros((4, 3, 3), np.uint8)
    mask[2, 1] = 255, 0, 0
    path = save(tmp_path / "a.png", mask)
    with pytest.raises(DataError, match=says(f"read: {path} has colour (255, 0, 0) at row 2, column 1, expected grey")):
        object_label(path)


MASK = np.array([[0, 0, 1, 1], [0, 1, 1, 0]], np.uint8)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGB", "RGBA"])
def test_a_mask_of_0_and_1_is_converted_and_this_is_said(mode, tmp_path):
    path = save(tmp_path / "a.png", MASK, mode)
    with pytest.warns(DataWarning, match=says(f"{tmp_path} has masks of the greys 0 and 1, read as background and")):
        np.testing.assert_array_equal(object_label(path), MASK)


def test_conversions_of_one_folder_are_said_once(tmp_path):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("default", DataWarning)
        for k in range(5):
            object_label(save(tmp_path / f"{k}.png", MASK))
    assert len(said) == 1


@pytest.mark.parametrize("greys", [(0, 2), (0, 1, 2), (3, 128), (0, 1, 255), (5, 20, 255)])
def test_a_mask_of_other_values_is_refused(greys, tmp_path):
    path = save(tmp_path / "a.png", np.array([greys], np.uint8))
    last = f"{greys[-2]} and 255" if greys[-1] == 255 else greys[-1]
    with pytest.raises(DataError, match=says(f"read: {path} has greys up to {last} only, expected 0 background, 255")):
        object_label(path)


def test_masks_with_soft_edges_and_masks_of_one_value_are_accepted(tmp_path):
    for greys, label in (((0, 9, 200, 255), (0, 0, 1, 1)), ((0, 21, 255), (0, 0, 1)), ((0, 129), (0, 1)), ((0,), (0,))):
        np.testing.assert_array_equal(object_label(save(tmp_path / "a.png", np.array([greys], np.uint8))), [label])


def test_a_mask_in_the_alpha_channel_is_refused(tmp_path):
    for colour in (0, 255):
        rgba = np.full((2, 4, 4), colour, np.uint8)
        rgba[..., 3] = 255 * MASK
        for mode in ("RGBA", "LA"):
            path = save(tmp_path / "a.png", rgba, mode)
            with pytest.raises(DataError, match=says(f"read: {path} has another mask in its alpha channel than in")):
                object_label(path)
    rgba[..., :3] = rgba[..., 3:]
    np.testing.assert_array_equal(object_label(save(tmp_path / "a.png", rgba)), MASK)  # both say the same


# -- sizes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(20, 31), (17, 31), (28, 23), (20, 39)])
def test_a_few_pixels_are_stretched_to_the_nearest(size):
    label = RNG.integers(0, 19, (20, 31), dtype=np.uint8)
    (h, w), (H, W) = label.shape, size
    rows = [(2 * i + 1) * h // (2 * H) for i in range(H)]
    cols = [(2 * j + 1) * w // (2 * W) for j in range(W)]
    np.testing.assert_array_equal(fit_label(label, size, "a.png"), label[rows][:, cols])


@pytest.mark.parametrize("size", [(11, 31), (20, 40), (31, 20), (20, 27)])
def test_more_is_refused_and_so_are_exchanged_sides(size):
    label = np.zeros((20, 31) if size[1] != 27 else (27, 20), np.uint8)
    was = f"read: a.png is {label.shape[0]} x {label.shape[1]}, expected {size[0]} x {size[1]} as its image"
    with pytest.raises(DataError, match=says(was)):
        fit_label(label, size, "a.png")


# -- predictions --------------------------------------------------------------------------------------------------


def test_colours_repeat_and_ignored_pixels_are_black():
    assert colours(np.array([[1, IGNORE]], np.uint8), 2).tolist() == [[TWO_COLOURS[1].tolist(), [0, 0, 0]]]
    np.testing.assert_array_equal(colours(np.arange(19), 19), CITY_COLOURS)
    np.testing.assert_array_equal(colours(np.array([19, 20]), 21), CITY_COLOURS[:2])


@pytest.mark.parametrize("classes", [2, 19])
def test_a_saved_label_is_read_again_and_an_overlay_mixes_the_image_with_the_colours(classes, tmp_path):
    image, label = RGB / np.float32(255), RNG.integers(0, classes, RGB.shape[:2])
    label[0, 0] = classes - 1
    for colour in (0, classes):
        save_label(tmp_path / "label.png", label, colour)
        with Image.open(tmp_path / "label.png") as file:
            np.testing.assert_array_equal(np.asarray(file), label)
            rgb = np.asarray(file.convert("RGB"))
        expected = colours(label, classes) if colour else np.repeat(label[..., None], 3, -1)
        np.testing.assert_array_equal(rgb, expected)
    save_overlay(tmp_path / "overlay.png", image, label, classes)
    mixed = 0.55 * RGB + 0.45 * (TWO_COLOURS if classes == 2 else CITY_COLOURS)[label]
    assert np.abs(np.asarray(Image.open(tmp_path / "overlay.png")) - mixed).max() <= 0.5 + 1e-4
