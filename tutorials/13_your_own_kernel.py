# %% [markdown]
# # 13. Check your own kernel: PyTorch, C, Verilog
#
# 40 minutes · needs 12 · explains `docs/checker.md`, `tinybnn/testing/checks.py`,
# `tinybnn/testing/adapters.py`, `tinybnn/testing/vectors.py`
#
# Afterwards you can
#
# - hold a kernel that you did not write, in a language that is not Python, against a specification;
# - tell the checker about another layout, other words and a kernel that cannot do everything;
# - read its message, and make a bug report of it that somebody can act on.

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
# `check(name, kernel)` calls `kernel` as the library's function of that name is called. It is silent if every result is
# right. To print what it says, and go on:


# %%
def said(op, kernel, **limits):
    try:
        check(op, kernel, **limits)
    except Mismatch as error:
        return str(error)
    return f"{op}: right on every input tried"


# %% [markdown]
# Many kernels use XNOR, which marks where two bits *agree*, and give $2p - n$ for $p$ agreements. On paper that is the
# same as $n - 2p$ for $p$ disagreements. Here is one that someone wrote without a thought for the tail:


# %%
def xnor_dot(a, b, n):
    return 2 * np.bitwise_count(~(a ^ b)).sum(axis=-1, dtype=np.int64) - n


print(said("packed_dot", xnor_dot))

# %% [markdown]
# Read it from the top.
#
# 1. *What is wrong, and where*: which result, what came, what was expected. If many are wrong, how many.
# 2. *Likely cause*: a mistake of the catalogue that gave the same as your kernel on every case that was tried. If none
#    did, those that agree on this one input, or a law that is broken.
# 3. *The smallest failing input*, as you can type it in.
# 4. *The specification*: the file and function that the expected values come from. If you believe that *it* is wrong,
#    that is where to look.
#
# In the input, `n = 1` is the news: one channel in a word of 64. The other 63 bits are zero on both sides, so they
# agree, and XNOR counts them.
#
# **Predict.** Rows of `n` times +1 on both sides. What does `xnor_dot` give for these `n`?

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
# `xnor_dot` is right as long as rows fill their words. Many fast kernels are like that, and there is nothing wrong with
# it if they say so. Tell the checker what your kernel can do, and it draws only such cases:

# %%
print(said("packed_dot", xnor_dot, channels=[64, 128]))

# %% [markdown]
# | say | for a kernel that |
# | --- | --- |
# | `channels=[64, 128]` | takes only these numbers of channels |
# | `pad_values=[-1, 1]` | pads with these values only |
# | `options={"groups": 1, "stride": [1, 2]}` | takes one value of an option, or a few |
# | `dtypes=["float32"]` | knows one precision |
# | `layout="NCHW"` | has channels first, and kernels as OIHW |
# | `adapter=...` | has other words, or arrays of another library |
#
# An option that is held at one value need not be an argument of your kernel. What lies outside of a limit is *not
# tested*: write the limit into the kernel's documentation, and make the kernel refuse the rest.
#
# ### Exercise: a pooling with channels first
#
# Write max-pooling of 2 x 2 windows side by side, for maps in NCHW as PyTorch has them. Where a side is odd, the last
# row or column is left over (`OH = H // 2`).


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
# Cut off what is left over. Then each row is `H // 2` pairs, and `reshape` can give the pairs an axis of their own.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Reshape to `(N, C, H // 2, 2, W // 2, 2)`: the two axes of size 2 are the places in a window. `.max(axis=...)` takes
# both at once.
#
# </details>
#
# **In the library**: `max_pool2d` in `tinybnn/ops/pool.py`, for any kernel, stride and padding, and channels last. The
# message of a failing check shows its input in the *library's* layout; the candidate was given it transposed, as a view
# that is not contiguous.
#
# **What would break if** your kernel got NHWC maps and nobody noticed? Try it: take `layout="NCHW"` away.
#
# <details><summary>Answer</summary>
#
# The shape is wrong, and it is said at once. That is luck: with as many channels as rows and columns the shape would
# be right. The checker draws sizes that differ, so that exchanged axes cannot hide.
#
# </details>
#
# ## Other words
#
# The library packs 64 channels into a word, the first into the least significant bit (LSB), and a bit of 1 means −1.
# Others decided otherwise. (Seen by running them; daBNN by its documentation. Empty: not applicable, or not known.)
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
# And how to tell the checker:
#
# - Larq: `adapter=words(32)`, `pad_values=[0, 1]`
# - OpenVINO: `adapter=words(8, one_means=+1)`; it is wrong unless channels come in eights, so `channels=[8, 64]`
# - bitorch: `pad_values=[-1]`; daBNN: that, and `one_means=+1`
# - the three signs: not at all. A third value is no convention of binary networks; map 0 to +1 first.
#
# `words(bits, one_means, order)` translates on the way in and on the way out. Tail bits are zero in all of them.
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
# First make booleans, one for each bit of the result, so 32 times as many as there are words. Those beyond `C` are
# False.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `np.packbits(..., axis=-1, bitorder="little")` gives bytes, least significant bit first. Four bytes of a row are a
# word: `.view("<u4")` reads them so, on every machine.
#
# </details>
#
# **In the library**: `pack_bits` in `tinybnn/ops/bitpack.py` does this with `"<u8"`. The bytes are the same; only the rows
# end elsewhere. So a file of Larq's words can be read as ours where channels are a multiple of 64.
#
# **What would break if** you left out `bitorder="little"`?
#
# <details><summary>Answer</summary>
#
# NumPy packs the most significant bit first unless told otherwise (numpy/numpy#9398). Every product of two sides packed
# so is still right, as notebook 12 found. The first weights from a file are noise.
#
# </details>
#
# ## An adapter of your own
#
# `Adapter(give, take)` is two functions. `give(argument)` turns an argument into what the kernel wants, `take(result,
# expected)` turns its result into what the checker wants. Packed arguments arrive as `Words(array, n)`: words alone do
# not tell how many bits are channels. Here a kernel that wants no words at all, but signs:

# %%
as_signs = Adapter(lambda a: unpack(*a) if isinstance(a, Words) else a, lambda result, expected: result)
print(said("packed_dot", lambda a, b, n: (a * b).sum(axis=-1), adapter=as_signs))

# %% [markdown]
# Now an old device, of which two functions are known. It packs into bytes, **most** significant bit first, and a bit of
# 1 means **+1**:


# %%
def device_pack(x):
    return np.packbits(x > 0, axis=-1)


def device_unpack(octets, C):
    return 2.0 * np.unpackbits(octets, axis=-1, count=C) - 1


# %% [markdown]
# **Predict.** The one byte that `device_pack` makes of this row, as a number?

# %% prediction="octet"
row = np.array([1.0, -1, -1, 1, 1])  # variant: np.array([-1.0, 1, 1]) | np.array([1.0, 1, -1, 1, -1, -1])
### BEGIN SOLUTION
octet = sum(128 >> c for c in range(len(row)) if row[c] > 0)
### END SOLUTION

# %% check="octet"
check_prediction(octet, words(8, one_means=+1, order="msb").give(Words(pack(row), row.size))[0])

# %% [markdown]
# ### Exercise: `give` and `take` for the device
#
# `as_it_is` hands over `Words` untouched, so that your two functions can be called in plain sight.

# %%
as_it_is = Adapter(lambda a: a, lambda result, expected: result)


# %% exercise="device"
def give(packed):
    """Words: packed.array (rows, words) uint64, packed.n channels -> the device's bytes, uint8 (rows, ceil(n / 8))."""
    ### BEGIN SOLUTION
    return np.packbits(unpack(packed.array, packed.n) > 0, axis=-1)
    ### END SOLUTION


def take(octets, n):
    """The device's bytes, uint8 (rows, ceil(n / 8)) -> uint64 words (rows, ceil(n / 64))."""
    ### BEGIN SOLUTION
    bits = np.unpackbits(octets, axis=-1, count=n)
    return pack(np.where(bits == 1, 1.0, -1.0))
    ### END SOLUTION


# %% check="device"
check("unpack", lambda packed, C: device_unpack(give(packed), C), adapter=as_it_is)
check("pack", lambda x: take(device_pack(x), x.shape[-1]), adapter=as_it_is)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Go by way of signs. The library can unpack its words and pack signs; NumPy can pack and unpack the device's bytes.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `unpack(packed.array, packed.n) > 0` is True where the device wants a 1. On the way back, `np.unpackbits` with
# `count=n` leaves the tail out; `np.where` makes signs of bits.
#
# </details>
#
# **In the library**: `words(8, one_means=+1, order="msb")` in `tinybnn/testing/adapters.py` is this adapter. It keeps
# what a kernel left in the tail, so that a dirty tail is seen; your `take`, by `count=n`, throws it away.
#
# **What would break if** both your functions had the meaning of a bit the wrong way round? And if the operation were
# `packed_dot`?
#
# <details><summary>Answer</summary>
#
# Here both checks fail, for `unpack` uses only `give`, and `pack` only `take`. In `packed_dot` nothing would be seen:
# both rows are turned, and $(-a) \cdot (-b) = a \cdot b$. An adapter is code, and can be wrong. Try it first on an
# operation that goes one way.
#
# </details>
#
# ## C
#
# A shared library is called through `ctypes`. Three places of this kernel, `COUNTER`, `BITS` and `RESULT`, are left
# open, and filled in three ways. (From here on, cells write their files into the notebook's folder.)

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
# C sees a bare pointer. So the wrapper makes its arguments contiguous, and holds on to them while C reads them.


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
    print(f"-- {name}\n" + said("packed_dot", caller(ctypes.CDLL(f"./{name}.so"))))

# %% [markdown]
# Where there is a compiler, the first is right on every input tried, and the two others are told their causes.
# `small_counter` shows what `uint8_t` does: it is right up to 255 disagreements, and a test with few channels never
# comes so far. That is why 300 and 4099 signs that all disagree are among the cases that always run. `no_tail_mask` is
# the `xnor_dot` from above. The usual remedy is a mask on the last word, or XOR, where a zero tail cancels.
#
# **A crash** in C would end this notebook. `tinybnn check` (below) runs each function in a process of its own.
#
# ## Verilog, and whoever has no Python
#
# Hardware is simulated elsewhere, so the right results have to travel: as **golden vectors**, inputs with what must
# come out.

# %%
call = vectors("packed_dot", 1)[0]
print({name: a.shape for name, a in call.inputs.items()}, call.options, "->", call.outputs["out"])

# %% [markdown]
# 300 signs that all disagree. The command `tinybnn vectors` writes such calls into files: a C header (`--format c`),
# JSON, `.npz`, or files that Verilog's `$readmemh` reads, with a test bench. (In Python: `save_vectors`.)

# %%
command = "vectors packed_dot --count 2 --format hex --out vectors"
done = subprocess.run([sys.executable, "-m", "tinybnn", *command.split()], capture_output=True, text=True)
print(*sorted(Path(line).name for line in done.stdout.splitlines()))
print("first result:", Path("vectors/packed_dot_0_out.hex").read_text())

# %% [markdown]
# A negative number stands there as hardware has it: 32 bits, in two's complement, where $-v$ is written as
# $2^{32} - v$, in hexadecimal digits.
#
# **Predict.** `N` signs all disagree. As which whole number, from 0 to $2^{32} - 1$, does the result stand in its file?

# %% prediction="complement"
N = 300  # variant: 1 | 4099
### BEGIN SOLUTION
complement = 2**32 - N
### END SOLUTION

# %% check="complement"
check_prediction(complement, np.array([-N], np.int32).view(np.uint32)[0])

# %% [markdown]
# The module under test bears the operation's name. Arrays are flat ports, element 0 in the lowest bits; sizes are
# parameters: `A_0` rows of `A_1` words, `N` channels.

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
# Where there is a simulator, both vectors pass with `N`. With `64*A_1`, the bits stored, both fail: 300 and 4099
# channels do not fill their words. A test bench compares; it has no cause to name and no smaller input to offer. So
# write the module's arithmetic down in NumPy as well, as it is, and call `check` on that.
#
# ## PyTorch
#
# Libraries hand arrays to each other by DLPack, without copying. `dlpack(torch.from_dlpack)` is the adapter; for JAX or
# CuPy it is `dlpack` of their `from_dlpack`. NumPy has one as well:

# %%
print(said("sign", lambda x: 1 - 2.0 * (x < 0).astype(x.dtype), adapter=dlpack(np.from_dlpack)))

# %% tags=["varies"]
if find_spec("torch"):
    import torch

    def layer(x, w, *, stride):
        return torch.nn.functional.conv2d(x, w, stride=stride)

    plain = {"pad": 0, "dilation": 1, "groups": 1, "pad_value": 0}
    speaks = dlpack(torch.from_dlpack)
    print(said("conv2d", layer, adapter=speaks, layout="NCHW", options=plain))
    print(said("sign", torch.sign, adapter=speaks))
else:
    print("PyTorch is not installed here: skipped.")

# %% [markdown]
# Where PyTorch is installed, its convolution is right, and its `sign` is ternary, as NumPy's is (notebook 01). For
# modules with a backward pass there is `check("conv2d_backward", ..., forward=...)`.
#
# ## A whole file
#
# A teacher, or a continuous integration, has a file of functions. Each that bears an operation's name is checked in a
# process of its own, with a limit of time and memory:

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
# `results.json` is what Gradescope's autograder reads. The exit status says it in one number: 0 right, 1 wrong, 2 for a
# call that makes no sense.
#
# ## From a mismatch to a bug report
#
# `Mismatch.case` holds the smallest failing input as arrays. A report needs four things: the call, what came, what was
# expected, and versions.

# %%
try:
    check("packed_dot", xnor_dot)
except Mismatch as error:
    arguments, options = error.case
    a, b, n = arguments
    print("call      packed_dot", [f"{x.array} of {x.n}" for x in (a, b)], n, options)
    print("came     ", xnor_dot(a.array, b.array, n))
    print("expected ", (unpack(*a) * unpack(*b)).sum(axis=1))

# %% [markdown]
# ## Now your own
#
# Choose one. All of them are five lines around your function.
#
# | yours | operation | limits to begin with |
# | --- | --- | --- |
# | a PyTorch layer | `conv2d`, `max_pool2d` | `adapter=dlpack(torch.from_dlpack)`, `layout="NCHW"`, `options={...}` |
# | a C function | `packed_dot`, `packed_matmul` | `channels=[64, 128]`, until the tail is done |
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
# 1. Begin with narrow limits. When it is silent, take them away one by one.
# 2. A mismatch: believe line 3 first. Type the smallest input in, and follow it through your kernel by hand.
# 3. If the kernel is not yours, send its makers that input, what came, what should, and the versions. Not "it differs".
# 4. If you believe that the specification is wrong, read it: it is a few loops. Then tell us.
#
# **Where the checker ends** ([docs/checker.md](../docs/checker.md)). It tries cases and proves nothing. A *likely*
# cause is likely. Its processes guard against mistakes, not against attackers. Hex files are for operations that do not
# round, and for combinational modules. It measures no time: for that, see `benchmarks/`.
#
# ## What you have
#
# You can read a binary network, write one, pack it, and now judge somebody else's. The course ends here; the catalogue
# of [mistakes](../docs/mistakes.md) does not. If you meet one that is not in it, add it.
