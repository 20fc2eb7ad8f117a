# %% [markdown]
# # 12. Property tests: find the bug in ten wrong kernels
#
# 40 minutes · needs 03, 04 · explains `tinybnn/testing/`, `tests/test_teeth.py`, `docs/mistakes.md`
#
# Afterwards you can
#
# - say which inputs a test of a binary kernel needs, and which bug each of them is for;
# - write a property that a right kernel keeps on every input, and measure what it lets through;
# - read a bug off the smallest input on which a kernel is wrong.

# %%
import numpy as np
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tinybnn import pack, packed_dot, unpack
from tinybnn.app.pictures import new_figure
from tinybnn.testing import Mismatch, check, check_prediction, check_property, suspects

SEED = 3  # variant: 4 | 5

# %% [markdown]
# ## Ten wrong kernels
#
# Notebook 03 had `packed_dot(a, b, n)`: rows of words in, `n - 2 popcount(a ^ b)` out. Here are ten versions of it.
# Each is wrong, and each is a mistake that somebody made or could make. Their names say nothing.

# %%
line_up = suspects("packed_dot", count=10, seed=SEED)
line_up

# %% [markdown]
# ### A nice test
#
# Many would write this test: 64 rows of 64 random signs, held against the float product.

# %%
nice_a, nice_b = np.random.default_rng(0).choice([-1.0, 1.0], (2, 64, 64))


def nice_test(dot):
    return np.array_equal(dot(pack(nice_a), pack(nice_b), 64), (nice_a * nice_b).sum(axis=1))


print("the right kernel passes:", nice_test(packed_dot))
print("wrong kernels that pass:", [suspect.number for suspect in line_up if nice_test(suspect)])

# %% [markdown]
# Sixty-four results were compared, each with `==`, and these wrong kernels are still there. Everything in this
# test is *nice*. 64 signs fill a word, so there is no tail. No product leaves $[-64, 64]$, so every counter is large
# enough. One word a row, so nobody can forget the second. The arrays are fresh, so they lie in memory in the usual
# order.
#
# **Predict.** One known mistake takes for $n$ the number of bits *stored*: it gives `64 * words - 2 popcount`. What
# does it give for a row of +1 with itself, for each of these $n$? (The right answer is $n$.)

# %% prediction="stored"
sizes = [64, 65, 130]  # variant: [63, 128, 129] | [1, 64, 200]
### BEGIN SOLUTION
stored = [64 * -(-n // 64) for n in sizes]
### END SOLUTION

# %% check="stored"
check_prediction(stored, [64 * pack(np.ones(n)).size for n in sizes])

# %% [markdown]
# ## A law needs no right answer
#
# A **property** is a sentence about a function that is true for *every* input. A *law* is a property that holds the
# function against itself. Nobody has to know the right result. For rows $a, b$ of $n$ signs, and $-a$ the row with all
# signs turned:
#
# $$a \cdot a = n, \qquad a \cdot (-a) = -n, \qquad a \cdot b = b \cdot a$$
#
# **Predict.** With $p$ = popcount, what do these four wrong formulas give for $a \cdot a$?
# `2 p(a ^ a) - n`, `n - p(a ^ a)`, `p(a ^ a)`, `n - 2 p(a & a)`. A bit of 1 means −1.

# %% prediction="own"
a = np.array([-1.0, -1.0, 1.0])  # variant: np.array([-1.0, 1.0, 1.0, 1.0, -1.0]) | np.array([1.0, -1.0])
### BEGIN SOLUTION
own = [-len(a), len(a), 0, len(a) - 2 * (a < 0).sum()]
### END SOLUTION

# %% check="own"
check_prediction(own, [-a.size, a.size, 0, a.sum()])

# %% [markdown]
# One of the four keeps the law $a \cdot a = n$, and is wrong all the same. A law catches some mistakes and is blind to
# others.
#
# ### The laws as code
#
# Each takes a kernel, signs `a` and `b` of shape `(rows, n)`, and a place `i` from 0 to `n - 1` that only some need.
# The last law says that it must not matter how words lie in memory.


# %%
def itself(dot, a, b, i):
    return (dot(pack(a), pack(a), a.shape[1]) == a.shape[1]).all()


def opposite(dot, a, b, i):
    return (dot(pack(a), pack(-a), a.shape[1]) == -a.shape[1]).all()


def exchanged(dot, a, b, i):
    return np.array_equal(dot(pack(a), pack(b), a.shape[1]), dot(pack(b), pack(a), a.shape[1]))


def anywhere(dot, a, b, i):
    lying = [np.asfortranarray(pack(x)) for x in (a, b)]
    return np.array_equal(dot(*lying, a.shape[1]), dot(pack(a), pack(b), a.shape[1]))


# %% [markdown]
# "For every input" cannot be run. What can be run is a choice of inputs, and the choice decides. These sizes lie on
# both sides of a word's edge, beyond one byte's 255, and beyond 2048. In one pair all 4099 signs differ, in the last
# exactly 256.

# %%
rng = np.random.default_rng(1)
inputs = []
for n in (2, 63, 64, 65, 127, 130, 300, 4099):
    a, b = rng.choice([-1.0, 1.0], (2, 3, n))
    inputs.append((a, b, int(rng.integers(n))))
inputs.append((a, -a, 7))
ones = np.ones((3, 300))
inputs.append((ones, np.where(np.arange(300) < 256, -ones, ones), 7))


def for_all(law):
    return lambda dot: all(law(dot, a.copy(), b.copy(), i) for a, b, i in inputs)


# %%
for law in (itself, opposite, exchanged, anywhere):
    print(f"{law.__name__:10} lets through", [s.number for s in line_up if for_all(law)(s)])

# %% [markdown]
# `exchanged` is true, and catches none of them: whatever these kernels do wrong, they do it to both sides, or it makes
# no difference on which side. You cannot see from a law how much it is worth. You have to try it on wrong functions.
#
# ### Exercise: a law of one sign
#
# Turn one sign of a row. What happens to the product? Only the term $a_i b_i$ changes, to $-a_i b_i$:
#
# $$a \cdot b - a' \cdot b = 2\, a_i b_i, \qquad a' = a \text{ with the sign at } i \text{ turned}$$
#
# `check_property` calls your law with the right kernel, which must keep it, and with each suspect, which must break it.
# What `itself` or `anywhere` catch already, yours may let through. It says the *numbers* of those that got through.


# %% exercise="one_sign_turned"
def one_sign_turned(dot, a, b, i):
    """dot(words, words, n) -> (rows,); signs a, b (rows, n), a place i -> True where the law holds in all rows."""
    ### BEGIN SOLUTION
    n, turned = a.shape[1], a.copy()
    turned[:, i] *= -1
    change = dot(pack(a), pack(b), n) - dot(pack(turned), pack(b), n)
    return np.array_equal(change, 2 * a[:, i] * b[:, i])
    ### END SOLUTION


# %% check="one_sign_turned"
check_property(for_all(one_sign_turned), line_up, beside=[for_all(itself), for_all(anywhere)])

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# You need the kernel twice: once for `a`, once for a copy of `a` in which column `i` has the other sign. `pack` makes
# words of signs.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `turned[:, i] *= -1` turns a whole column. Compare the difference of both results, one number a row, with
# `2 * a[:, i] * b[:, i]`. `np.array_equal` gives one True or False.
#
# </details>
#
# **In the library**: the laws of every operation stand in its record, `laws=` in `tinybnn/testing/ops/`; those that
# many share (linear, adjoint, inverse) in `tinybnn/testing/laws.py`. There `test_teeth.py` demands of each law that
# some wrong version breaks it: a law that nothing can break is none.
#
# **What would break if** you kept `one_sign_turned` and dropped `itself`?
#
# <details><summary>Answer</summary>
#
# Kernels that are off by a constant would get through, such as one that counts the tail as channels. Take
# `for_all(itself)` out of the check, and see which of yours do. (A result of 8 bits can do so too: where it wraps, the
# difference of two wraps back.) Together the two laws leave one function. Proof: turn the signs of $a$ one after
# the other until $a = b$. The first law says by how much each turn moves the product, the second that it ends at $n$.
# So every product is fixed.
#
# A law is also as good as its inputs. A counter of 8 bits goes from 255 to 0, and one turned sign shows it only if the
# count crosses 256 there. That is what the last pair of `inputs` is for.
#
# </details>

# %% [markdown]
# ## Let the machine choose: strategies
#
# [Hypothesis](https://hypothesis.readthedocs.io) draws inputs. What to draw is a **strategy**: `st.sampled_from(list)`,
# `st.integers(least, most)`, or a function of your own under `@st.composite`, which draws from others by `draw`. A test
# under `@given(strategy)` is called with up to `max_examples` inputs.
#
# Three settings make a test repeatable: `derandomize` (the same inputs each time), no `database` (nothing is kept
# between runs) and no `deadline` (a slow machine is no failure).

# %%
REPEATABLE = settings(max_examples=100, derandomize=True, database=None, deadline=None)


@st.composite
def one_row(draw):
    """One row of signs, (1, n), n on both sides of a word's edge."""
    n = draw(st.sampled_from([1, 3, 63, 64, 65, 127, 128, 129, 130]))
    return np.array([draw(st.lists(st.sampled_from([1.0, -1.0]), min_size=n, max_size=n))])


# %% [markdown]
# ### Shrinking
#
# A failing input of 130 random signs says little. So Hypothesis goes on: it tries shorter and plainer inputs, and
# keeps each that still fails. Of two choices the first in the list is the plainer: here +1. Watch it at work on a
# kernel whose mistake we know: it forgets every word but the first.

# %%
failing = []


@REPEATABLE
@given(one_row())
def test_first_word(a):
    n = a.shape[1]
    first = n - 2 * np.bitwise_count(pack(a)[:, :1]).sum(axis=1, dtype=int)
    if first != a.sum():
        failing.append(a[0])
        raise AssertionError(f"n = {n}, -1 at {np.flatnonzero(a[0] < 0).tolist()}")


# %%
try:
    test_first_word()
except AssertionError as error:
    print("smallest failing input:", error)

# %%
shown = np.full((len(failing), 130), 0.3)
for line, a in zip(shown, failing):
    line[: len(a)] = a < 0
figure = new_figure(7, 3)
axis = figure.subplots()
axis.imshow(shown, cmap="Greys", interpolation="nearest", aspect="auto")
axis.set(xlabel="channel; the second word begins at 64", ylabel="failing input, first to last", xticks=[0, 32, 64, 96])
figure

# %% [markdown]
# Each line is an input on which the kernel is wrong: black −1, white +1, grey beyond its $n$. What is left at the end
# is one channel more than the first word holds, and there the only −1. The smallest input *is* the diagnosis.
#
# **Predict.** Two kernels. One counts disagreements in `BITS` bits, so that $2^{\text{BITS}}$ becomes 0. The other
# keeps its *result* in `BITS` bits with a sign: from $-2^{\text{BITS}-1}$ to $2^{\text{BITS}-1} - 1$. For each: the
# smallest $n$ for which some rows give a wrong product.

# %% prediction="smallest"
BITS = 8  # variant: 6 | 10
### BEGIN SOLUTION
smallest = [2**BITS, 2 ** (BITS - 1)]
### END SOLUTION

# %% check="smallest"
counts = np.arange(2**BITS + 1)
check_prediction(smallest, [np.argmax(counts % 2**BITS != counts), np.argmax(counts > 2 ** (BITS - 1) - 1)])

# %% [markdown]
# Random rows of that size do not find the first. About half of their signs differ, and a count near $n / 2$ fits. It
# takes rows whose signs all differ, or far longer rows. Draw them on purpose.
#
# ### Exercise: a strategy that nothing gets past
#
# The strongest property is a **specification**: it says for every input what the result is. Against it only the inputs
# matter, and they are yours. `holds_for` compares a kernel with the float product on 100 of your pairs, as words in
# Fortran order. (`st.data()` hands the test `draw` itself, so `@st.composite` is not needed. `Phase.generate` alone
# means: draw, and do not shrink.)


# %%
def holds_for(pairs):
    def holds(dot):
        @settings(REPEATABLE, phases=[Phase.generate])
        @given(st.data())
        def test(data):
            a, b = pairs(data.draw)
            words = [np.asfortranarray(pack(x)) for x in (a, b)]
            assert np.array_equal(dot(*words, a.shape[1]), (a * b).sum(axis=1))

        test()

    return holds


# %% [markdown]
# What must a pair be, so that each known mistake shows? Bits in a tail; more than one word; more than 255 signs that
# all differ; a product beyond 2048 that half precision cannot hold; several rows, for one row lies in memory alike in
# every order. The check takes 19 mistakes of the catalogue, not only the ten.


# %% exercise="drawn_pair"
def drawn_pair(draw):
    """draw, as in one_row above -> a pair of float arrays of -1 and +1, both (3, n)."""
    ### BEGIN SOLUTION
    n = draw(st.sampled_from([1, 63, 64, 65, 127, 130, 300, 4099]))
    a, b = np.random.default_rng(draw(st.integers(0, 9999))).choice([-1.0, 1.0], (2, 3, n))
    return a, draw(st.sampled_from([b, -a]))
    ### END SOLUTION


# %% check="drawn_pair"
check_property(holds_for(drawn_pair), suspects("packed_dot", count=19, seed=SEED))

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Three draws: a size, a seed for a NumPy generator (4099 single draws would be slow), and whether `b` is random or the
# opposite of `a`.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `np.random.default_rng(seed).choice([-1.0, 1.0], (2, 3, n))` unpacks into `a` and `b`. Draw `n` from a list that has
# the edges of a word and two large, odd sizes, and the second row from `[b, -a]`.
#
# </details>
#
# **In the library**: `tinybnn/testing/strategies.py`. Rows and sizes are drawn *pairwise distinct*, so that exchanged
# axes show, and some cases, such as 300 and 4099 signs that all disagree, are not left to chance: the record of an
# operation lists them as `boundary=`, and they always run.
#
# **What would break if** `b` were drawn as `[a, -a]`?
#
# <details><summary>Answer</summary>
#
# Nothing here: every suspect is caught, the products are all $n$ or $-n$. But a kernel that looks at the first sign
# of each row alone, and gives $n$ or $-n$, would pass. The catalogue is a list of *known* mistakes. Draw random rows
# as well, for those that nobody has made yet.
#
# </details>

# %% [markdown]
# ## A true law that is half blind
#
# Now `pack`, and all of its mistakes in the catalogue. Two laws suggest themselves:
#
# - *alike*: pack both sides the same way, and `packed_dot` gives the float product;
# - *there and back*: `unpack(pack(x), n)` is `x`.

# %%
packers = suspects("pack", count=14, seed=SEED)


def alike(packer, a, b, i):
    return np.array_equal(packed_dot(packer(a), packer(b), a.shape[1]), (a * b).sum(axis=1))


def there_and_back(packer, a, b, i):
    return np.array_equal(unpack(packer(np.asfortranarray(a)), a.shape[1]), a)


# %%
def lets_through(property, suspect):
    try:
        return property(suspect)
    except (ValueError, TypeError):  # it stumbles over its words: caught
        return False


for law in (alike, there_and_back):
    through = sum(lets_through(for_all(law), suspect) for suspect in packers)
    print(f"{law.__name__:15} lets through {through:2} of {len(packers)}")

# %% [markdown]
# *Alike* lets half of them through. Bits in the wrong order do no harm as long as both sides have them in the same
# wrong order. The harm comes with the first file from somebody else (numpy/numpy#9398, openvinotoolkit/openvino#4278).
# *There and back* holds the words against a reader that is right, and misses what that reader does not look at: the
# tail. `notation.py` wants it zero, for another kernel will count it.
#
# A zero tail reads as +1. So this is a law too: **a row, and the same row filled up with +1 to whole words, have the
# same words.**
#
# ### Exercise: a whole test
#
# Write the test itself, with both laws. `rows()` is the strategy, and a test has the form of `test` in `holds_for`
# above: `@REPEATABLE`, `@given(...)`, asserts, and at the end the call.


# %%
@st.composite
def rows(draw):
    """(3, n) of -1 and +1, in Fortran order."""
    n = draw(st.sampled_from([1, 7, 63, 64, 65, 130]))
    return np.asfortranarray(np.random.default_rng(draw(st.integers(0, 9999))).choice([-1.0, 1.0], (3, n)))


# %% exercise="pack_is_right"
def pack_is_right(packer):
    """A function in the place of pack -> nothing; an AssertionError if x and its words break one of the two laws."""

    ### BEGIN SOLUTION
    @REPEATABLE
    @given(rows())
    def test(x):
        n = x.shape[1]
        full = np.ones((3, 64 * -(-n // 64)))
        full[:, :n] = x
        assert np.array_equal(unpack(packer(x), n), x)
        assert np.array_equal(packer(full), packer(x))

    test()
    ### END SOLUTION


# %% check="pack_is_right"
check_property(pack_is_right, packers)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Inside, define `test(x)` under the two decorators, and call `test()` as the last line. Without that call nothing runs.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `n` is `x.shape[1]`, and `64 * -(-n // 64)` the number of bits in whole words. Make an array of ones of that width,
# put `x` into its first `n` columns, and pack it. Each law is one `assert np.array_equal(...)`.
#
# </details>
#
# **In the library**: the record of `pack` in `tinybnn/testing/ops/binarize.py`. Its law is *there and back*; it leaves
# the tail to the specification, `pack_loops`.
#
# **What would break if** the test packed one side with the library, `packed_dot(packer(x), pack(x), n) == n`?
#
# <details><summary>Answer</summary>
#
# Nothing: it would be stronger. That product is $n$ only where no bit differs, so it says that the words are those of
# `pack`. It is the specification in the dress of a law, and it needs a right `pack` to begin with. A law does not.
#
# </details>
#
# ## Who catches whom
#
# All that was tried on the ten kernels, in one picture. *Adds up* is a law that you have not met: cut a row in two,
# and the products of the parts add up to that of the whole.


# %%
def adds_up(dot, a, b, i):
    n, i = a.shape[1], max(i, 1)
    parts = [dot(pack(a[:, s]), pack(b[:, s]), s.stop - s.start) for s in (slice(0, i), slice(i, n))]
    return np.array_equal(sum(parts), dot(pack(a), pack(b), n))


def specified(dot, a, b, i):
    lying = [np.asfortranarray(pack(x)) for x in (a, b)]
    return np.array_equal(dot(*lying, a.shape[1]), (a * b).sum(axis=1))


laws = (exchanged, anywhere, itself, adds_up, opposite, specified)
tests = {"64 rows of 64": nice_test} | {law.__name__: for_all(law) for law in laws}

# %%
caught = np.array([[not holds(suspect) for holds in tests.values()] for suspect in line_up])
figure = new_figure(7, 4)
axis = figure.subplots()
axis.imshow(caught, cmap="Greys", vmin=-0.1, vmax=1.6, aspect="auto")
for row, column in np.argwhere(caught):
    axis.text(column, row, "caught", ha="center", va="center", fontsize=8, color="white")
axis.set_xticks(range(len(tests)), [f"{name}\n{n} of 10" for name, n in zip(tests, caught.sum(axis=0))], fontsize=8)
axis.set_yticks(range(10), [suspect.number for suspect in line_up])
axis.set(xlabel="test, and how many it catches", ylabel="suspect")
figure

# %% [markdown]
# The specification, on good inputs, catches all. Laws are for where there is none: a network of which nobody knows the
# right output still has to give the same for an image alone and for the image in a batch. And they say *what* is
# broken, not only that something is.
#
# ## Name the bug
#
# A doctor does not look at one number. Here is what all ten give on a few chosen pairs of rows; above, the right
# result. "7 | 0" means: 64 signs, a single −1 at 7 in `a`, at 0 in `b`. "row 2" is the second row of two, in Fortran
# order: 65 times −1 against +1.


# %%
def row(n, *negative):
    return np.where(np.isin(np.arange(n), negative), -1.0, 1.0)[None]


pairs = {
    "33 end": (row(33, 32), row(33)), "65": (row(65), row(65)), "65 end": (row(65, 64), row(65)),
    "7 | 0": (row(64, 7), row(64, 0)), "32 | 0": (row(64, 32), row(64, 0)), "56 | 0": (row(64, 56), row(64, 0)),
    "300 all": (row(300), -row(300)), "4099": (row(4099), row(4099)),
    "row 2": (np.repeat([[1.0], [-1.0]], 65, axis=1), np.ones((2, 65))),
}  # fmt: skip

# %%
print("          " + "".join(f"{name:>11}" for name in pairs))
for kernel in (packed_dot, *line_up):
    name = f"number {kernel.number}" if kernel in line_up else "right"
    results = [kernel(*map(np.asfortranarray, map(pack, pair)), pair[0].shape[1])[-1] for pair in pairs.values()]
    print(f"{name:10}" + "".join(f"{int(result):11}" for result in results))

# %% [markdown]
# And these are their ten mistakes, in the order of the alphabet:

# %%
reasons = sorted(suspect.confess() for suspect in line_up)
for k, reason in enumerate(reasons):
    print(k, reason)

# %% [markdown]
# **Predict.** Which reason belongs to each of the suspects in `asked`? Give the numbers of the reasons.

# %% prediction="named"
asked = [1, 4, 5, 8]  # variant: [2, 5, 8, 10] | [1, 3, 6, 9]
### BEGIN SOLUTION
named = [reasons.index(line_up[k - 1].confess()) for k in asked]
### END SOLUTION

# %% check="named"
check_prediction(named, [reasons.index(line_up[k - 1].confess()) for k in asked])

# %% [markdown]
# <details><summary>How to go about it</summary>
#
# Begin with the columns in which only few are wrong. Wrong at "300 all" and right at "65 end": a counter, or a result,
# too small. Wrong at "65" and right at 64: the tail. Wrong at "65 end" and right at "33 end": the second word. Wrong at
# both, and right at "65": a word that is not full. Wrong in one of "7 | 0", "32 | 0", "56 | 0": bits, halves or
# bytes have changed places. Wrong only in "row 2": memory.
#
# </details>
#
# The library does the same by machine. `check` compares the results of a function, right ones and wrong ones, with
# those of every known mistake, and names one only if it agrees on all cases tried. Read the second line. (The input may
# still look random: the library draws signs by a seed, as Hint 2 of `drawn_pair` does, and a smaller seed does not give
# plainer signs.)

# %% tags=["varies"]
try:
    check("packed_dot", line_up[6])
except Mismatch as error:
    print(error)

# %% [markdown]
# ## Who tests the tests?
#
# This notebook did: a test is worth what it catches, so it was tried on wrong functions. That is **mutation testing**.
# The library does it twice. `tests/test_teeth.py` demands that the check which passes the right function rejects each
# mistake of [the catalogue](../docs/mistakes.md), and names nine in ten of them. And a program makes every small change
# that it can think of in the library's own files, `<` for `<=`, `+` for `-`, and runs the tests; what no test noticed
# is listed, with a reason, in [survivors.md](../tests/survivors.md).
#
# ## What you have
#
# Inputs that reach the edges, laws for when nobody knows the answer, and a measure of what each is worth. Everything
# was held against functions in Python here. Notebook 13 does the same to kernels in C, in Verilog and in PyTorch.
