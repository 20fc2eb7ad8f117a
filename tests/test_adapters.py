"""Words, layouts and arrays of other libraries are converted there and back."""

import numpy as np
import pytest

from tinybnn import conv2d, conv2d_backward, conv2d_packed, pack, upsample_nearest
from tinybnn.testing import Adapter, Mismatch, Words, check, dlpack, words
from tinybnn.testing.adapters import from_bits, to_bits


def refused(*args, **options):
    with pytest.raises(Mismatch) as caught:
        check(*args, **options)
    return str(caught.value)


@pytest.mark.parametrize("bits", [8, 16, 32, 64])
@pytest.mark.parametrize("one_means", [-1, 1])
@pytest.mark.parametrize("order", ["lsb", "msb"])
def test_words_of_any_kind_go_there_and_back(bits, one_means, order):
    adapter = words(bits, one_means, order)
    x = np.random.default_rng(bits).choice([-1.0, 1.0], (3, 2, 77))
    ours = Words(pack(x), 77)
    theirs = adapter.give(ours)
    assert theirs.dtype.itemsize * 8 == bits and theirs.shape == (3, 2, -(-77 // bits))
    assert np.array_equal(adapter.take(theirs, ours), ours.array)

    def in_their_words(packed, C):
        negative = to_bits(packed, C, bits, order)[..., 0, :] == (one_means == -1)
        return np.where(negative, -1, 1).astype(np.float32)

    check("unpack", in_their_words, adapter=adapter)
    check("pack", lambda x: from_bits((x < 0)[..., None, :] == (one_means == -1), bits, order), adapter=adapter)
    if bits > 8:  # in one byte there is no second one to begin with
        message = refused("unpack", in_their_words, adapter=words(bits, one_means, {"lsb": "msb", "msb": "lsb"}[order]))
        assert message.startswith("unpack: y[")


def test_the_words_of_groups_are_translated_group_by_group():
    def by_bytes(x, w, C, *, groups, **options):
        a = from_bits(to_bits(x, C // groups, 8, "lsb"), 64, "lsb")
        b = from_bits(to_bits(w, C // groups, 8, "lsb"), 64, "lsb")
        return conv2d_packed(a, b, C, groups=groups, **options)

    check("conv2d_packed", by_bytes, adapter=words(8))


def test_channels_first_and_back_for_maps_kernels_and_gradients():
    def first(x, w, **options):
        y, cache = conv2d(x.transpose(0, 2, 3, 1), w.transpose(2, 3, 1, 0), **options)
        return y.transpose(0, 3, 1, 2), cache

    check("conv2d", first, layout="NCHW")
    assert "likely cause" not in refused("conv2d", first)

    def back(dy, cache):
        dx, dw = conv2d_backward(dy.transpose(0, 2, 3, 1), cache)
        return dx.transpose(0, 3, 1, 2), dw.transpose(3, 2, 0, 1)

    check("conv2d_backward", back, layout="NCHW")

    def upsampled(x, scale):
        return np.moveaxis(upsample_nearest(np.moveaxis(x, 1, -1), scale=scale)[0], -1, 1)

    check("upsample_nearest", upsampled, layout="NCHW")


def test_arrays_of_other_libraries_come_and_go_by_dlpack():
    """A library that speaks DLPack and knows no NumPy."""

    class Foreign:
        def __init__(self, array):
            self.array = array

        def __dlpack__(self, **options):
            return self.array.__dlpack__(**options)

        def __dlpack_device__(self):
            return self.array.__dlpack_device__()

    def foreign_sign(x):
        assert isinstance(x, Foreign)
        return Foreign(np.where(x.array >= 0, 1, -1).astype(x.array.dtype))

    check("sign", foreign_sign, adapter=dlpack(lambda a: Foreign(a)))
    assert "is 0.0" in refused("sign", lambda x: Foreign(np.sign(x.array)), adapter=dlpack(lambda a: Foreign(a)))


def test_an_adapter_may_be_a_stub_too():
    def stub(*args):
        raise NotImplementedError("about 2 lines")

    for adapter in (Adapter(stub, lambda result, expected: result), Adapter(lambda a: a, stub)):
        said = refused("packed_dot", lambda a, b, n: a, adapter=adapter)
        assert said == "packed_dot: not written yet (about 2 lines)"


def test_words_of_another_width_than_was_said_are_refused():
    assert "uint64, expected uint32 words" in refused("pack", pack, adapter=words(32))
