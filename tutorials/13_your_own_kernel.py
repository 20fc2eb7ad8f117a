# %% [markdown]
# # 13. Check your own kernel: PyTorch, C, Verilog
#
# 40 minutes · needs 12 · explains `docs/checker.md`, `tinybnn/testing/checks.py`, `tinybnn/testing/adapters.py`,
# `tinybnn/testing/vectors.py`
#
# Afterwards you can
#
# - check a kernel that you did not write, in a language that is not Python, against a specification;
# - tell the checker about another layout, about other words, and about a kernel that cannot do everything;
# - read the checker's message, and turn it into a bug report that others can use.

# %%
import ctypes
import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from tinybnn import pack, unpack
from tinybnn.testing import Adapter, Mismatch, Words, check, check_prediction, dlpack, vectors, words

# %% [markdown]
# ## What the checker says
#
# `check(name, kernel)` calls `kernel` with the arguments of the library's function of that name. If every result is
# right, it prints nothing. Otherwise it raises `Mismatch`. The next function returns the message, so that the notebook
# can go on:


# %%
def report(op, kernel, **limits):
    try:
        check(op, kernel, **limits)
    except Mismatch as error:
        return str(error)
    return f"{op}: right on every input tried"


# %% [markdown]
# Many kernels use XNOR, which marks where two bits *agree*, and compute $2p - n$ from $p$ agreements. On paper that is
# the same as $n - 2p$ with $p$ disagreements. The next kernel ignores the **tail bits**, the unused bits of a row's
# last word:


# %%
def xnor_dot(a, b, n):
    return 2 * np.bitwise_count(~(a ^ b)).sum(axis=-1, dtype=np.int64) - n


print(report("packed_dot", xnor_dot))

# %% [markdown]
# Read the message from the top.
#
# 1. *What is wrong, and where*: which result, its value, and the expected value. If several values are wrong, also how
#    many.
# 2. *Likely cause*: a mistake of the catalogue that gave the same results as your kernel in every case that was tried.
#    If there is none, the message lists mistakes that agree on this one input, or a law that is broken.
# 3. *The smallest failing input*, written so that you can type it in.
# 4. *The specification*: the file and function that give the expected values. If you think that *it* is wrong, look
#    there.
#
# The important part of the input is `n = 1`: one channel in a word of 64 bits. The other 63 bits are zero on both
# sides, so they agree, and XNOR counts them.
#
# **Predict.** There are rows of `n` times +1 on both sides. What does `xnor_dot` give for these `n`?

# %% prediction="agreements"
sizes = [64, 65, 100]  # variant: [1, 128, 130] | [63, 127, 192]
### BEGIN SOLUTION
agreements = [2 * 64 * -(-n // 64) - n for n in sizes]
### END SOLUTION

# %% check="agreements"
check_prediction(agreements, [xnor_dot(pack(np.ones(n)), pack(np.ones(n)), n) for n in sizes])

# %% [markdown]
# ## A kernel that cannot do everything
#
# `xnor_dot` is right if all rows fill their words. Many fast kernels have such limits, and that is no mistake if they
# say so. Tell the checker what your kernel can do, and it draws only such cases:

# %%
print(report("packed_dot", xnor_dot, channels=[64, 128]))

# %% [markdown]
# | argument | for a kernel that |
# | --- | --- |
# | `channels=[64, 128]` | takes only these numbers of channels |
# | `pad_values=[-1, 1]` | pads with these values only |
# | `options={"groups": 1, "stride": [1, 2]}` | takes only one value of an option, or a few |
# | `dtypes=["float32"]` | works in one precision |
# | `layout="NCHW"` | has channels first, and weights as OIHW |
# | `adapter=...` | has other words, or arrays of another library |
#
# An option with a single value need not be an argument of your kernel. The checker does *not test* what lies outside a
# limit. So write the limit into the kernel's documentation, and make the kernel raise an error for everything else.
#
# ### Exercise: max pooling with channels first
#
# Write max pooling with 2 x 2 windows side by side, for maps in NCHW as in PyTorch. If a side is odd, the last row or
# column is left out (`OH = H // 2`).


# %% exercise="pool_nchw"
def pool_nchw(x):
    """x (N, C, H, W) -> the largest of each 2 x 2 window, (N, C, H // 2, W // 2)."""
    ### BEGIN SOLUTION
    N, C, H, W = x.shape
    whole = x[:, :, : H // 2 * 2, : W // 2 * 2]
    return whole.reshape(N, C, H // 2, 2, W // 2, 2).max(axis=(3, 5))
    ### END SOLUTION


# %% check="pool_nchw"
check("max_pool2d", pool_nchw, layout="NCHW", options={"kernel": 2, "stride": None, "pad": 0})

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Cut off what is left out. Then the rows are `H // 2` pairs, and `reshape` can give the pairs an axis of their own.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Reshape to `(N, C, H // 2, 2, W // 2, 2)`: the two axes of size 2 are the places in a window. `.max(axis=...)` can
# take both at once.
#
# </details>
#
# **In the library**: `max_pool2d` in `tinybnn/ops/pool.py`, for any kernel, stride and padding, with channels last.
# The message of a failed check shows the input in the *library's* layout. The kernel gets it transposed, as a view
# that is not contiguous.
#
# **What would break if** your kernel got NHWC maps and nobody noticed? Try it: remove `layout="NCHW"`.
#
# <details><summary>Answer</summary>
#
# The checker reports a wrong shape at once. Without care this would be luck: with as many channels as rows and columns
# the shape would be right. So the checker draws sizes that all differ, and swapped axes cannot stay hidden.
#
# </details>
#
# ## Other words
#
# The library packs 64 channels into a word, the first into the least significant bit (LSB), and a bit of 1 means −1.
# Other libraries have other conventions. (We found them by running the libraries; daBNN's are from its documentation.
# An empty cell means: does not apply, or not known.)
#
# | | sign(0) | pads with | bit for −1 | words |
# | --- | --- | --- | --- | --- |
# | this library | +1 | −1, 0 or +1, named | 1 | 64 bits, LSB first |
# | Larq Compute Engine | +1 | 0 or +1 | 1 | 32 bits, LSB first |
# | OpenVINO `BinaryConvolution` | | −1, 0 or +1 | 0 | LSB first |
# | bitorch | +1 | −1 | | |
# | daBNN | | −1 | 0 | |
# | `np.sign`, `torch.sign`, ONNX `Sign` | **0** | | | |
#
# This is how you tell the checker:
#
# - Larq: `adapter=words(32)`, `pad_values=[0, 1]`.
# - OpenVINO: `adapter=words(8, one_means=+1)`. It is wrong unless the number of channels is a multiple of 8, so also
#   `channels=[8, 64]`.
# - bitorch: `pad_values=[-1]`. daBNN: the same, and `one_means=+1`.
# - The three sign functions: not at all. A third value is not a convention of binary networks; map 0 to +1 first.
#
# `words(bits, one_means, order)` translates arguments and results. Tail bits are zero in all of them.
#
# ### Exercise: words of Larq
#
# Write `pack` for words of 32 bits.


# %% exercise="pack_32"
def pack_32(x):
    """x (rows, C), -1 and +1 -> uint32 words (rows, ceil(C / 32)): LSB first, 1 means -1, the tail zero."""
    ### BEGIN SOLUTION
    rows, C = x.shape
    negative = np.zeros((rows, 32 * -(-C // 32)), bool)
    negative[:, :C] = x < 0
    return np.packbits(negative, axis=-1, bitorder="little").view("<u4")
    ### END SOLUTION


# %% check="pack_32"
check("pack", pack_32, adapter=words(32))

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# First make booleans, one for each bit of the result: 32 times as many as there are words. Those beyond `C` are False.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `np.packbits(..., axis=-1, bitorder="little")` gives bytes, least significant bit first. Four bytes of a row are a
# word: `.view("<u4")` reads them in this order on every machine.
#
# </details>
#
# **In the library**: `pack_bits` in `tinybnn/ops/bitpack.py` does this with `"<u8"`. The bytes are the same; only the
# ends of rows differ. So if the number of channels is a multiple of 64, a file of Larq's words can be read as ours.
#
# **What would break if** you left out `bitorder="little"`?
#
# <details><summary>Answer</summary>
#
# NumPy puts the first value into the most significant bit by default (numpy/numpy#9398). If both sides are packed in
# this way, every product is still right, as notebook 12 found. But weights read from a file of another program would
# be noise.
#
# </details>
#
# ## An adapter of your own
#
# `Adapter(give, take)` consists of two functions. `give(argument)` converts an argument to what the kernel needs.
# `take(result, expected)` converts its result to what the checker needs. Packed arguments arrive as `Words(array, n)`,
# because words alone do not tell how many of their bits are channels. This kernel takes signs instead of words:

# %%
as_signs = Adapter(lambda a: unpack(*a) if isinstance(a, Words) else a, lambda result, expected: result)
print(report("packed_dot", lambda a, b, n: (a * b).sum(axis=-1), adapter=as_signs))

# %% [markdown]
# The next example is an old device, of which we know two functions. It packs into bytes, **most** significant bit
# first, and a bit of 1 means **+1**:


# %%
def device_pack(x):
    return np.packbits(x > 0, axis=-1)


def device_unpack(data, C):
    return 2.0 * np.unpackbits(data, axis=-1, count=C) - 1


# %% [markdown]
# **Predict.** `device_pack` makes one byte of this row. Which number is it?

# %% prediction="byte"
row = np.array([1.0, -1, -1, 1, 1])  # variant: np.array([-1.0, 1, 1]) | np.array([1.0, 1, -1, 1, -1, -1])
### BEGIN SOLUTION
byte = sum(128 >> c for c in range(len(row)) if row[c] > 0)
### END SOLUTION

# %% check="byte"
check_prediction(byte, words(8, one_means=+1, order="msb").give(Words(pack(row), row.size))[0])

# %% [markdown]
# ### Exercise: `give` and `take` for the device
#
# The adapter `unchanged` passes `Words` on as they are, so that the check can call your two functions itself.

# %%
unchanged = Adapter(lambda a: a, lambda result, expected: result)


# %% exercise="device"
def give(packed):
    """Words: packed.array (rows, words) uint64, packed.n channels -> the device's bytes, uint8 (rows, ceil(n / 8))."""
    ### BEGIN SOLUTION
    return np.packbits(unpack(packed.array, packed.n) > 0, axis=-1)
    ### END SOLUTION


def take(data, n):
    """The device's bytes, uint8 (rows, ceil(n / 8)) -> uint64 words (rows, ceil(n / 64))."""
    ### BEGIN SOLUTION
    bits = np.unpackbits(data, axis=-1, count=n)
    return pack(np.where(bits == 1, 1.0, -1.0))
    ### END SOLUTION


# %% check="device"
check("unpack", lambda packed, C: device_unpack(give(packed), C), adapter=unchanged)
check("pack", lambda x: take(device_pack(x), x.shape[-1]), adapter=unchanged)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Convert to signs in between. The library can unpack its words and pack signs; NumPy can pack and unpack the device's
# bytes.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `unpack(packed.array, packed.n) > 0` is True where the device needs a 1. In the other direction, `np.unpackbits` with
# `count=n` leaves out the tail bits, and `np.where` turns bits into signs.
#
# </details>
#
# **In the library**: `words(8, one_means=+1, order="msb")` in `tinybnn/testing/adapters.py` is this adapter. It keeps
# the tail bits of a kernel's result, so that wrong tail bits are found. Your `take` drops them by `count=n`.
#
# **What would break if** both your functions used the wrong meaning of a bit? And if the operation were `packed_dot`?
#
# <details><summary>Answer</summary>
#
# Here both checks would fail, because `unpack` uses only `give`, and `pack` uses only `take`. With `packed_dot` the
# mistake would stay hidden: both rows would change their signs, and $(-a) \cdot (-b) = a \cdot b$. An adapter is code
# and can be wrong. Try it first on an operation that converts in one direction only.
#
# </details>
#
# ## C
#
# Python calls a shared library through `ctypes`. This kernel has three placeholders, `COUNTER`, `BITS` and `RESULT`,
# which are filled in three ways. (From here on cells write their files into the folder of the notebook.)

# %%
SOURCE = """
#include <stdint.h>
void dot(const uint64_t *a, const uint64_t *b, int64_t rows, int64_t words, int64_t n, int64_t *out) {
  for (int64_t r = 0; r < rows; r++, a += words, b += words) {
    COUNTER count = 0;
    for (int64_t k = 0; k < words; k++)
      count += __builtin_popcountll(BITS);
    out[r] = RESULT;
  }
}
"""

# %%
KERNELS = {
    "right": ("int64_t", "a[k] ^ b[k]", "n - 2 * count"),
    "small_counter": ("uint8_t", "a[k] ^ b[k]", "n - 2 * count"),
    "no_tail_mask": ("int64_t", "~(a[k] ^ b[k])", "2 * count - n"),
}

# %% [markdown]
# C gets only pointers. So the wrapper makes its arguments contiguous, and keeps them alive while C reads them.


# %%
def caller(library):
    def packed_dot(a, b, n):
        a, b, out = np.ascontiguousarray(a), np.ascontiguousarray(b), np.empty(len(a), np.int64)
        sizes = [ctypes.c_int64(size) for size in (*a.shape, n)]
        library.dot(*(ctypes.c_void_p(x.ctypes.data) for x in (a, b)), *sizes, ctypes.c_void_p(out.ctypes.data))
        return out

    return packed_dot


# %% tags=["varies"]
if not shutil.which("cc"):
    print("There is no C compiler (cc) here: skipped.")
for name, filled in KERNELS.items() if shutil.which("cc") else ():
    text = SOURCE
    for blank, code in zip(("COUNTER", "BITS", "RESULT"), filled):
        text = text.replace(blank, code)
    Path(f"{name}.c").write_text(text)
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", f"{name}.so", f"{name}.c"], check=True, capture_output=True)
    print(f"-- {name}\n" + report("packed_dot", caller(ctypes.CDLL(f"./{name}.so"))))

# %% [markdown]
# If there is a compiler, the first kernel is right on every input tried, and the checker names the cause for the other
# two. `small_counter` shows what `uint8_t` does: it is right up to 255 disagreements, and a test with few channels has
# no more. That is why 300 and 4099 signs that all disagree are among the cases that always run. `no_tail_mask` is the
# `xnor_dot` from above. The usual remedy is a mask on the last word, or XOR, where zero tail bits add nothing.
#
# **A crash** in C would end this notebook. `tinybnn check` (below) runs each function in a separate process.
#
# ## Verilog, and everybody without Python
#
# Hardware is simulated in other programs, so the right results must be written to files. These are called **golden
# vectors**: inputs together with the expected outputs.

# %%
call = vectors("packed_dot", 1)[0]
print({name: a.shape for name, a in call.inputs.items()}, call.options, "->", call.outputs["out"])

# %% [markdown]
# These are 300 signs that all disagree. The command `tinybnn vectors` writes such calls to files: a C header
# (`--format c`), JSON, `.npz`, or files that Verilog's `$readmemh` reads, with a test bench. (In Python:
# `save_vectors`.)

# %%
command = "vectors packed_dot --count 2 --format hex --out vectors"
done = subprocess.run([sys.executable, "-m", "tinybnn", *command.split()], capture_output=True, text=True)
print(*sorted(Path(line).name for line in done.stdout.splitlines()))
print("first result:", Path("vectors/packed_dot_0_out.hex").read_text())

# %% [markdown]
# Negative numbers are written as hardware stores them: 32 bits in two's complement, where $-v$ is $2^{32} - v$, in
# hexadecimal digits.
#
# **Predict.** `N` signs all disagree. Which whole number, from 0 to $2^{32} - 1$, is written for the result?

# %% prediction="complement"
N = 300  # variant: 1 | 4099
### BEGIN SOLUTION
complement = 2**32 - N
### END SOLUTION

# %% check="complement"
check_prediction(complement, np.array([-N], np.int32).view(np.uint32)[0])

# %% [markdown]
# The module under test has the name of the operation. Arrays are flat ports with element 0 in the lowest bits. Sizes
# are parameters: `A_0` rows of `A_1` words, `N` channels.

# %%
MODULE = """
module packed_dot #(parameter A_0 = 1, A_1 = 1, B_0 = 1, B_1 = 1, N = 1)
  (input [64*A_0*A_1-1:0] a, input [64*B_0*B_1-1:0] b, output reg [32*A_0-1:0] out);
  integer r, i, count;
  always @*
    for (r = 0; r < A_0; r = r + 1) begin
      count = 0;
      for (i = 0; i < 64*A_1; i = i + 1) count = count + (a[64*A_1*r + i] ^ b[64*A_1*r + i]);
      out[32*r +: 32] = CHANNELS - 2 * count;
    end
endmodule
"""

# %% tags=["varies"]
if not shutil.which("iverilog"):
    print("There is no Icarus Verilog (iverilog) here: skipped.")
for channels in ("N", "64*A_1") if shutil.which("iverilog") else ():
    Path("vectors/module.v").write_text(MODULE.replace("CHANNELS", channels))
    build = ["iverilog", "-g2012", "-o", "simulated", "packed_dot_tb.v", "module.v"]
    subprocess.run(build, cwd="vectors", check=True, capture_output=True)
    run = subprocess.run(["vvp", "simulated"], cwd="vectors", capture_output=True, text=True)
    print(f"-- {channels} - 2 * count", *(line for line in run.stdout.splitlines() if "packed_dot:" in line), sep="\n")

# %% [markdown]
# If there is a simulator, both vectors pass with `N`. With `64*A_1`, the number of bits stored, both fail: 300 and
# 4099 channels do not fill their words. A test bench only compares. It names no cause and finds no smaller input. So
# also write the module's arithmetic in NumPy, exactly as it is, and call `check` on that.
#
# ## PyTorch
#
# Libraries pass arrays to each other by DLPack, without copying. `dlpack(torch.from_dlpack)` is the adapter for
# PyTorch; JAX and CuPy have a `from_dlpack` of their own. NumPy has one as well:

# %%
print(report("sign", lambda x: 1 - 2.0 * (x < 0).astype(x.dtype), adapter=dlpack(np.from_dlpack)))

# %% tags=["varies"]
if find_spec("torch"):
    import torch

    def layer(x, w, *, stride):
        return torch.nn.functional.conv2d(x, w, stride=stride)

    plain = {"pad": 0, "dilation": 1, "groups": 1, "pad_value": 0}
    adapter = dlpack(torch.from_dlpack)
    print(report("conv2d", layer, adapter=adapter, layout="NCHW", options=plain))
    print(report("sign", torch.sign, adapter=adapter))
else:
    print("PyTorch is not installed here: skipped.")

# %% [markdown]
# If PyTorch is installed, its convolution is right, and its `sign` has three values, like NumPy's (notebook 01). A
# module with a backward pass is checked by `check("conv2d_backward", ..., forward=...)`.
#
# ## A whole file
#
# A teacher, or a system for continuous integration, has a file of functions. `tinybnn check` tests each function that
# has the name of an operation. Each runs in a separate process, with a limit of time and memory:

# %%
Path("kernels.py").write_text("""
import numpy as np

def packed_dot(a, b, n):
    return n - 2 * np.bitwise_count(a ^ b).sum(axis=-1, dtype=np.int64)

def sign(x):
    return np.sign(x)
""")
command = "check kernels.py --json results.json"
done = subprocess.run([sys.executable, "-m", "tinybnn", *command.split()], capture_output=True, text=True)
print(done.stdout)

# %%
for test in json.loads(Path("results.json").read_text())["tests"]:
    print(test["name"], test["score"], "of", test["max_score"])

# %% [markdown]
# Gradescope's autograder reads `results.json`. The exit status sums it up: 0 means right, 1 wrong, 2 a call that makes
# no sense.
#
# ## From a mismatch to a bug report
#
# `Mismatch.case` holds the smallest failing input as arrays. A report needs four things: the call, the result, the
# expected result, and versions.

# %%
try:
    check("packed_dot", xnor_dot)
except Mismatch as error:
    arguments, options = error.case
    a, b, n = arguments
    print("call      packed_dot", [f"{x.array} of {x.n}" for x in (a, b)], n, options)
    print("result   ", xnor_dot(a.array, b.array, n))
    print("expected ", (unpack(*a) * unpack(*b)).sum(axis=1))

# %% [markdown]
# ## Now your own
#
# Choose one. Each takes about five lines around your function.
#
# | yours | operation | limits to begin with |
# | --- | --- | --- |
# | a PyTorch layer | `conv2d`, `max_pool2d` | `adapter=dlpack(torch.from_dlpack)`, `layout="NCHW"`, `options={...}` |
# | a C function | `packed_dot`, `packed_matmul` | `channels=[64, 128]`, until it handles the tail bits |
# | a module in an HDL | `packed_dot`, `threshold_sign` | vectors as hex; `--word-bits 32` for narrow words |
# | an ONNX export | `conv2d` | `layout="NCHW"`, `dtypes=["float32"]`, `pad_values=[0]`, `max_examples=20` |
#
# ```python
# from tinybnn.testing import check
#
# def mine(a, b, n):                       # the arguments of `tinybnn check --list`
#     return my_library.dot(a, b, n)
#
# check("packed_dot", mine, channels=[64, 128])
# ```
#
# 1. Begin with narrow limits. When the check is silent, remove them one by one.
# 2. After a mismatch, trust the smallest failing input most. Type it in, and follow it through your kernel by hand.
# 3. If the kernel is not yours, send its authors that input, the result, the expected result, and the versions. "It
#    differs" is not enough.
# 4. If you think that the specification is wrong, read it: it is a few loops. Then tell us.
#
# **The limits of the checker** ([docs/checker.md](../docs/checker.md)). It tries cases and proves nothing. A *likely*
# cause is only likely. Its processes protect against mistakes, not against attackers. Hex files are for operations
# that do not round, and for combinational modules. It measures no time: for that, see `benchmarks/`.
#
# ## What you have
#
# You can read a binary network, write one, pack it, and check the kernels of other people. The course ends here, but
# the catalogue of [mistakes](../docs/mistakes.md) does not. If you find a mistake that is not in it, add it.
