"""Outside witnesses: ``check`` compares the functions of other libraries with the specifications.

Every row was measured on x86-64: PyTorch 2.13, ONNX Runtime 1.32, QONNX 1.0, OpenVINO 2026.4. Each difference has a
test of its own, which fails when the library removes the difference. "Both ways" means forward and by autograd::

    library        function                          agrees                        departs from the contract
    -------        --------                          ------                        -------------------------
    PyTorch        conv2d, conv_transpose2d          both ways                     -
                   avg_pool2d, adaptive_avg_pool2d   both ways                     -
                   interpolate: nearest, bilinear    both ways                     -
                   sigmoid, softmax, attention       both ways                     -
                   max_pool2d                        both ways; the first of ties  refuses pad > kernel / 2
                   pixel_shuffle                     both ways, depth reordered    channels before positions
                   hardtanh                          forward                       gradient 0 where |x| = 1
                   prelu                             forward                       gradient slope, not 1, at 0
                   batch_norm                        both ways, eps = 0.5          -
                   cross_entropy                     where a pixel counts          NaN where none does
                   sign                              -                             sign(0) = 0
    ONNX Runtime   Conv                              pad_value = 0                 has no other
                   MaxPool, AveragePool, Resize      yes                           -
                   DepthToSpace DCR, SpaceToDepth    yes                           -
                   BatchNorm., Sigmoid, PRelu        yes                           -
                   Sign                              -                             sign(0) = 0
    QONNX          BipolarQuant                      sign, binarize                -
                   XnorPopcountMatMul                as 2 p - n                    gives p, the agreements
    OpenVINO       BinaryConvolution; 1 means +1,    channels in eights, stride 1  other channels; wide padding of
                   LSB first, pad_value -1, 0, +1    and 2; dilated without pad    narrow maps; dilation with padding,
                                                                                   or at stride 3; sign(0) = -1
"""

import platform
from functools import partial

import numpy as np
import pytest

from tinybnn.testing import Mismatch, check, dlpack, words

SINGLE, FIRST = {"dtypes": ["float32"]}, {"layout": "NCHW"}
THIRD = r"is 0\.0, expected 1\.0"
VALUE = r"\] is -?\d\S*, expected -?\d"


def library(name):
    return pytest.importorskip(name, reason="the witness needs: pip install '.[oracles]'")


def two(value):
    return list(value) if isinstance(value, tuple) else [value, value]


def agrees(op, candidate, **limits):
    check(op, candidate, max_examples=50, **limits)


def departs(says, op, candidate, **limits):
    with pytest.raises(Mismatch, match=says):
        agrees(op, candidate, **limits)


# -- PyTorch --------------------------------------------------------------------------------------------------------


TENSORS = {"adapter": dlpack(lambda a: library("torch").from_dlpack(a))}


@pytest.fixture
def F():
    return library("torch.nn.functional")


def conv2d(F, x, w, *, stride, pad, pad_value, dilation, groups):
    PH, PW = two(pad)
    padded = F.pad(x, (PW, PW, PH, PH), value=pad_value)  # PyTorch's own begins with the columns
    return F.conv2d(padded, w, stride=stride, dilation=dilation, groups=groups)


def conv_transpose2d(F, y, w, *, stride, pad, dilation, groups, size):
    """PyTorch asks not for the size but for the rows and columns that the stride skipped."""
    geometry = zip(size, y.shape[2:], w.shape[2:], *map(two, (stride, pad, dilation)))
    skipped = [n - ((m - 1) * s + d * (k - 1) + 1 - 2 * p) for n, m, k, s, p, d in geometry]
    return F.conv_transpose2d(y, w, None, stride, pad, skipped, groups, dilation)


def attention(F, q, k, v, *, heads):
    q, k, v = (a.unflatten(-1, (heads, -1)).transpose(1, 2) for a in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


def batch_norm(F, x, gamma, beta, *, eps):
    return F.batch_norm(x.movedim(-1, 1), None, None, gamma, beta, training=True, eps=eps).movedim(1, -1)


def interpolate(mode, F, x, *, scale, **options):
    return F.interpolate(x, scale_factor=scale, mode=mode, **options)


def pool(kind, F, x, *, kernel, stride, pad=0):
    return getattr(F, f"{kind}_pool2d")(x, kernel, stride, pad)


def reordered(F, x, *, scale):  # as the weights of the layer before it would be
    return F.pixel_shuffle(x.unflatten(1, (scale**2, -1)).transpose(1, 2).flatten(1, 2), scale)


def cross_entropy(F, logits, labels, *, class_weights, ignore):
    weight = None if class_weights is None else logits.new_tensor(class_weights)
    return F.cross_entropy(logits.movedim(-1, 1), labels.long(), weight, ignore_index=ignore)


SQUARE = FIRST | {"options": {"scale": [2, 3]}}  # one block size, for rows and columns alike
BOTH_WAYS = {
    "conv2d": (conv2d, FIRST),
    "conv_transpose2d": (conv_transpose2d, FIRST),
    "max_pool2d": (partial(pool, "max"), FIRST | {"options": {"kernel": [2, 3, (2, 3), (3, 2)], "pad": [0, 1]}}),
    "avg_pool2d": (partial(pool, "avg"), FIRST),
    "adaptive_avg_pool2d": (lambda F, x, *, size: F.adaptive_avg_pool2d(x, size), FIRST),
    "upsample_nearest": (partial(interpolate, "nearest"), FIRST),
    "upsample_bilinear": (partial(interpolate, "bilinear"), FIRST),
    "depth_to_space": (reordered, SQUARE),
    "sigmoid": (lambda F, x: F.sigmoid(x), {}),
    "attend": (lambda F, scores, v: F.softmax(scores, -1) @ v, {}),
    "attention": (attention, {}),
    "batch_norm": (batch_norm, {"options": {"eps": [0.5]}}),
}
WIDE = FIRST | {"options": {"kernel": (3, 2), "pad": (2, 0)}}
FORWARD = {
    "hardtanh": (lambda F, x: F.hardtanh(x), {}),
    "prelu": (lambda F, x, slope: F.prelu(x.movedim(-1, 1), slope).movedim(1, -1), {}),
    "cross_entropy": (lambda F, *args, **options: cross_entropy(F, *args, **options).nan_to_num(), {}),
}


def by_autograd(function, layout="NHWC", **limits):
    """The backward pass, and the forward that makes its cache: from NHWC and NumPy, whatever the backward is given."""
    orders = {0: (0, 3, 1, 2), 1: (3, 2, 0, 1)} if layout == "NCHW" else {}

    def forward(*args, **options):
        args = (np.ascontiguousarray(np.transpose(a, orders.get(i))) if orders else a for i, a in enumerate(args))
        leaves = [library("torch").tensor(a, requires_grad=True) for a in args]
        return None, (function(*leaves, **options), leaves)

    def backward(dy, cache):
        return library("torch").autograd.grad(*cache, dy, retain_graph=True)  # the same cache is asked twice

    return {"candidate": backward, "forward": forward}


@pytest.mark.parametrize("op", BOTH_WAYS | FORWARD)
def test_pytorch_agrees(op, F):
    function, limits = (BOTH_WAYS | FORWARD)[op]
    agrees(op, partial(function, F), **limits, **TENSORS)
    if op in BOTH_WAYS:
        agrees(f"{op}_backward", **by_autograd(partial(function, F), **limits), **limits, **TENSORS)


@pytest.mark.parametrize("op, bend", [("hardtanh", 1), ("prelu", 0)])
def test_pytorchs_autograd_departs_where_activations_bend(op, bend, F):
    """The contract lets the gradient through at |x| = 1, and counts 0 among what is positive."""
    says = rf"dx\[0, 0, 0\] is (?s:.*) x = np.array\(\[\[\[{bend}\.\]\]\]"
    departs(says, f"{op}_backward", **by_autograd(partial(FORWARD[op][0], F)), **TENSORS)


@pytest.mark.parametrize(
    "op, function, limits, says",
    [
        pytest.param("sign", lambda F, x: x.sign(), {}, THIRD, id="by a third value"),
        pytest.param("depth_to_space", lambda F, x, scale: F.pixel_shuffle(x, scale), SQUARE, VALUE, id="by its order"),
        pytest.param("cross_entropy", cross_entropy, {}, r"y is nan, expected 0\.0", id="by nan where no pixel counts"),
        pytest.param("max_pool2d", partial(pool, "max"), WIDE, "pad should be at most half", id="by refusing pad"),
    ],
)
def test_pytorch_departs(op, function, limits, says, F):
    departs(says, op, partial(function, F), **limits, **TENSORS)


# -- ONNX Runtime ---------------------------------------------------------------------------------------------------


@pytest.fixture
def onnx():
    """Runs one node: ``onnx("Conv", x, w, strides=[1, 2])``."""
    helper, runtime = library("onnx").helper, library("onnxruntime")

    def run(kind, *arrays, **attributes):
        feed = {f"input{i}": np.ascontiguousarray(a) for i, a in enumerate(arrays)}
        kinds = [helper.np_dtype_to_tensor_dtype(a.dtype) for a in feed.values()]
        inputs = [helper.make_tensor_value_info(k, t, a.shape) for (k, a), t in zip(feed.items(), kinds)]
        output = helper.make_tensor_value_info("y", kinds[0], None)
        graph = helper.make_graph([helper.make_node(kind, list(feed), ["y"], **attributes)], kind, inputs, [output])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        return runtime.InferenceSession(model.SerializeToString()).run(None, feed)[0]

    return run


def onnx_conv(onnx, x, w, *, stride, pad, dilation, groups, pad_value=0):
    return onnx("Conv", x, w, strides=two(stride), pads=two(pad) * 2, dilations=two(dilation), group=groups)


def onnx_pool(kind, onnx, x, *, kernel, stride, pad=0):
    return onnx(kind, x, kernel_shape=two(kernel), strides=two(stride or kernel), pads=two(pad) * 2)


def onnx_resize(mode, onnx, x, *, scale, align_corners=False):
    scales, centres = np.array([1, 1, *two(scale)], np.float32), "align_corners" if align_corners else "half_pixel"
    return onnx("Resize", x, np.zeros(0, np.float32), scales, mode=mode, coordinate_transformation_mode=centres)


def onnx_batch_norm(onnx, x, *statistics, eps):
    return np.moveaxis(onnx("BatchNormalization", np.moveaxis(x, -1, 1), *statistics, epsilon=eps), 1, -1)


ONNX = {
    "conv2d": (onnx_conv, FIRST | {"pad_values": [0]}),
    "max_pool2d": (partial(onnx_pool, "MaxPool"), FIRST),
    "avg_pool2d": (partial(onnx_pool, "AveragePool"), FIRST),
    "upsample_nearest": (partial(onnx_resize, "nearest"), FIRST),
    "upsample_bilinear": (partial(onnx_resize, "linear"), FIRST),
    "depth_to_space": (lambda onnx, x, *, scale: onnx("DepthToSpace", x, blocksize=scale), SQUARE),
    "space_to_depth": (lambda onnx, x, *, scale: onnx("SpaceToDepth", x, blocksize=scale), SQUARE),
    "sigmoid": (lambda onnx, x: onnx("Sigmoid", x), {}),
    "prelu": (lambda onnx, x, slope: onnx("PRelu", x, slope), {}),
    "batch_norm_inference": (onnx_batch_norm, {}),
}


@pytest.mark.parametrize("op", ONNX)
def test_onnx_runtime_agrees(op, onnx):
    function, limits = ONNX[op]
    agrees(op, partial(function, onnx), **limits, **SINGLE)


def test_onnx_runtimes_conv_departs_by_padding_with_0_alone(onnx):
    departs(VALUE, "conv2d", partial(onnx_conv, onnx), pad_values=[-1, 1], **FIRST, **SINGLE)


def test_onnx_runtimes_sign_departs_by_a_third_value(onnx):
    departs(THIRD, "sign", lambda x: onnx("Sign", x))


# -- QONNX, and OpenVINO: a bit of 1 means +1 -----------------------------------------------------------------------

BITS = {"adapter": words(bits=8, one_means=+1, order="lsb")}


def bits_of(packed, n):
    return np.unpackbits(packed, axis=-1, bitorder="little")[..., :n]


def test_qonnxs_bipolar_quant_agrees():
    quantized = library("qonnx.custom_op.general.bipolar_quant").binary_quant
    agrees("sign", lambda x: quantized(x, 1))
    agrees("binarize", lambda x, tau: quantized(x - tau, 1))


def test_qonnxs_xnor_popcount_departs_by_giving_the_agreements():
    agreements = library("qonnx.custom_op.general.xnorpopcount").xnorpopcountmatmul
    departs(VALUE, "packed_matmul", lambda a, b, n: agreements(bits_of(a, n), bits_of(b, n).T), **BITS)
    agrees("packed_matmul", lambda a, b, n: 2 * agreements(bits_of(a, n), bits_of(b, n).T) - n, **BITS)


@pytest.fixture
def binary_convolution():
    """Runs one: activations are floats (N, C, H, W), filters bits (F, C, KH, KW)."""
    openvino = library("openvino")
    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("OpenVINO's BinaryConvolution was seen on x86-64 alone")
    ops, core = openvino.opset1, openvino.Core()

    def run(x, bits, *, pad_value=0, stride=1, pad=0, dilation=1):
        filters = openvino.Tensor(np.packbits(bits, bitorder="little"), openvino.Shape(bits.shape), openvino.Type.u1)
        data, pairs = ops.parameter(x.shape, np.float32), map(two, (stride, pad, pad, dilation))
        y = ops.binary_convolution(data, openvino.op.Constant(filters), *pairs, "xnor-popcount", float(pad_value))
        return core.compile_model(openvino.Model([y], [data]), "CPU")([np.ascontiguousarray(x)])[0]

    return run


def packed(binary_convolution, x, w, C, *, pad_value, stride, pad, dilation):
    x, w = (bits_of(a, C).transpose(0, 3, 1, 2) for a in (x, w))
    y = binary_convolution(2 * np.float32(x) - 1, w, pad_value=pad_value, stride=stride, pad=pad, dilation=dilation)
    return y.transpose(0, 2, 3, 1)


PLAIN = {"groups": 1, "stride": 1, "dilation": 1}
DILATED = PLAIN | {"dilation": 2}
UNSTEADY = f"{VALUE}|different results"  # it reads bits that nobody wrote: a call may differ from the next


@pytest.mark.parametrize("options", [PLAIN | {"stride": [1, 2, (1, 2)]}, DILATED | {"stride": [1, 2], "pad": 0}])
def test_openvinos_binary_convolution_agrees_on_channels_in_eights(options, binary_convolution):
    agrees("conv2d_packed", partial(packed, binary_convolution), channels=[8, 24, 64], options=options, **BITS)


@pytest.mark.parametrize(
    "channels, options, says",
    [
        pytest.param([1, 3, 65], PLAIN, UNSTEADY, id="on other channels"),
        pytest.param([8], DILATED | {"stride": 3, "pad": 0}, VALUE, id="where dilated kernels move by 3"),
        pytest.param([8], DILATED | {"pad": (1, 0), "pad_value": 0}, UNSTEADY, id="where all dilated taps are padding"),
        pytest.param([8], PLAIN | {"stride": 3, "pad": [2, 3]}, "raised RuntimeError", id="by refusing wide padding"),
    ],
)
def test_openvinos_binary_convolution_departs(channels, options, says, binary_convolution):
    departs(says, "conv2d_packed", partial(packed, binary_convolution), channels=channels, options=options, **BITS)


def test_openvinos_activations_depart_by_taking_0_for_minus_1(binary_convolution):
    def sign(x):
        data = np.ones((1, 8, 1, x.size), np.float32)
        data[0, 0, 0] = x.ravel()
        return binary_convolution(data, np.ones((1, 8, 1, 1), bool)).reshape(x.shape) - 7  # the other seven are +1

    departs(r"is -1\.0, expected 1\.0", "sign", sign, **SINGLE)
    agrees("sign", lambda x: sign(x + (x == 0)), **SINGLE)
