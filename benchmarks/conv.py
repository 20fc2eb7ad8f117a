"""A binary 3x3 convolution from real values to scaled integers, against float convolutions of the same shape."""

import numpy as np

from tinybnn.fast.conv import convolve, filters, plan
from tinybnn.ops.binarize import sign
from tinybnn.ops.binary_conv import conv2d_packed, pack_weights
from tinybnn.ops.bitpack import binarize_packed
from tinybnn.ops.conv import conv2d, conv2d_loops

from .harness import THREADS, Row, check, in_turn, installed, peak

torch, onnx, onnxruntime, openvino = (installed(name) for name in ("torch", "onnx", "onnxruntime", "openvino"))


def fast(x, tau, words, f):
    """Threshold, pack, pad, count by digits."""
    s = binarize_packed(x, tau)
    return convolve(s, f, plan("benchmark", s, words, x.shape[-1], pad_value=1, pad=1), np.float32)


def plain(x, tau, words, _):
    """Threshold, pack, pad, count by XOR and popcount."""
    return conv2d_packed(binarize_packed(x, tau), words, x.shape[-1], pad_value=1, pad=1)


def rows():
    rng = np.random.default_rng(0)
    for size, C in ((32, 64), (64, 64), (32, 128), (64, 128)):
        x, tau = rng.normal(size=(1, size, size, C)).astype(np.float32), np.zeros(C, np.float32)
        w = rng.choice(np.float32([-1, 1]), (3, 3, C, C))
        words = pack_weights(w)
        f = filters(words, C)  # prepared once, as the weights of any library are
        functions = {"own float": lambda x=x, w=w: conv2d(x, w, pad=1)[0]}
        for name, form in (("digits", fast), ("plain popcount", plain)):
            functions[name] = lambda form=form, x=x, tau=tau, words=words, f=f: form(x, tau, words, f)
            y = functions[name]()
            corner = conv2d_loops(sign(x[:, :4, :4]), w[..., :2], pad=1, pad_value=1.0)[:, :3, :3]
            check(name, y[:, :3, :3, :2], corner)
            check(name, y, conv2d(sign(x), w, pad=1, pad_value=1.0)[0])
        case, own = f"{size} x {size}, {C} channels", functions.pop("own float")
        mine = {name: in_turn({"own float": own, name: function}) for name, function in functions.items()}
        best = max(mine, key=lambda name: mine[name].ratio("own float", name))
        ms = f"{mine[best].ms()}, plain popcount {1000 * np.median(mine['plain popcount'].seconds[1]):.3g} ms"
        yield Row("binary convolution over this project's float", case, mine[best].ratio("own float", best), ms, 1.6)
        pairs = {
            name: in_turn({name: function, best: functions[best]}, settle=True)
            for name, function in float_convolutions(x, w).items()
        }
        torches = [name for name in pairs if name.startswith("PyTorch")]
        if torches:  # its faster layout
            name = min(torches, key=lambda name: np.median(pairs[name].seconds[0]))
            yield Row(
                "binary convolution, time over PyTorch's float",
                f"{case} ({name.split()[1]})",
                pairs[name].ratio(best, name),
                pairs[name].ms(),
                0.9,
                most=True,
            )
        for name in pairs.keys() - torches:
            claim = f"binary convolution, time over {name}'s float"
            yield Row(claim, case, pairs[name].ratio(best, name), pairs[name].ms())
    yield from memory()


def memory():
    """Peak memory of a 3x3 convolution of 256 x 256 x 64, result included: im2col in float32 and packed tiles."""
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(1, 256, 256, 64)).astype(np.float32), rng.choice(np.float32([-1, 1]), (3, 3, 64, 64))
    s, words = sign(x), pack_weights(w)
    packed, f = binarize_packed(x, np.zeros(64, np.float32)), filters(words, 64)
    g = plan("benchmark", packed, words, 64, pad_value=1, pad=1)
    check("packed", convolve(packed, f, g, np.float32), im2col(s, w))
    ours, theirs = peak(lambda: convolve(packed, f, g, np.float32)), peak(lambda: im2col(s, w))
    detail = f"im2col {theirs / 1e6:.0f} MB, packed {ours / 1e6:.1f} MB, of which the result is {4 * x.size / 1e6:.1f}"
    yield Row("peak memory, im2col in float32 over packed", "256 x 256, 64 channels, 3x3", theirs / ours, detail, 10.0)


def im2col(x, w):
    """The textbook's convolution: all columns of the image, then one product."""
    KH, KW, C, F = w.shape
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=1)
    N, H, W, _ = x.shape
    columns = np.empty((N, H, W, KH, KW, C), np.float32)
    for i, j in np.ndindex(KH, KW):
        columns[:, :, :, i, j] = padded[:, i : i + H, j : j + W]
    return (columns.reshape(-1, KH * KW * C) @ w.reshape(-1, F)).reshape(N, H, W, F)


def float_convolutions(x, w):
    """Float convolutions of the installed libraries, of the same shape, checked against ours."""
    functions, expected = {}, conv2d(x, w, pad=1)[0]
    nchw, oihw = (np.ascontiguousarray(a) for a in (x.transpose(0, 3, 1, 2), w.transpose(3, 2, 0, 1)))
    if torch:
        for layout in ("contiguous_format", "channels_last"):
            memory_format = getattr(torch, layout)
            tx, tw = (torch.from_numpy(a).contiguous(memory_format=memory_format) for a in (nchw, oihw))

            def run(tx=tx, tw=tw):
                with torch.inference_mode():
                    return torch.nn.functional.conv2d(tx, tw, padding=1)

            functions[f"PyTorch {'NCHW' if layout == 'contiguous_format' else 'NHWC'}"] = run
    if onnx and onnxruntime:
        functions["ONNX Runtime"] = _onnx(nchw, oihw)
    if openvino:
        functions["OpenVINO"] = _openvino(nchw, oihw)
    for name, function in functions.items():
        check(name, np.asarray(function()).transpose(0, 2, 3, 1), expected, within=1e-4)
    return functions


def _onnx(x, w):
    from onnx import TensorProto, helper, numpy_helper

    node = helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1])
    value = [helper.make_tensor_value_info(n, TensorProto.FLOAT, x.shape) for n in "xy"]
    graph = helper.make_graph([node], "conv", value[:1], value[1:], [numpy_helper.from_array(w, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"x": x})[0]


def _openvino(x, w):
    from openvino import opset13 as ops

    parameter = ops.parameter(x.shape, np.float32)
    y = ops.convolution(parameter, ops.constant(w), [1, 1], [1, 1], [1, 1], [1, 1])
    config = {"INFERENCE_NUM_THREADS": THREADS, "INFERENCE_PRECISION_HINT": "f32"}
    request = openvino.Core().compile_model(openvino.Model([y], [parameter]), "CPU", config).create_infer_request()
    return lambda: request.infer([x])[0]
