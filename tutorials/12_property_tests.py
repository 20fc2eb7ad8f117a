# %% [markdown]
# # 12. Property tests: find the bug in ten wrong kernels
#
# 40 minutes · needs 03, 04 · explains `tinybnn/testing/`, `tests/test_teeth.py`, `docs/mistakes.md`
#
# Afterwards you can
#
# - say which inputs a test of a binary kernel needs, and which bug each of them finds;
# - write a property that a right kernel has on every input, and measure which wrong kernels have it too;
# - recognise a bug from the smallest input on which a kernel is wrong.

# %%
import numpy as np
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tinybnn import pack, packed_dot, unpack
from tinybnn.app.pictures import new_figure
from tinybnn.testing import Mismatch, check, check_prediction, check_property, wrong_versions

SEED = 3  # variant: 4 | 5

# %% [markdown]
# ## Ten wrong kernels
#
# Notebook 03 had `packed_dot(a, b, n)`. It takes rows of **words** (integers of 64 bits, one sign in each bit) and
# computes `n - 2 popcount(a ^ b)` for each pair of rows. `wrong_versions` returns wrong versions of it. Each contains
# a mistake that somebody made or could make. They have numbers instead of names, so that you can find out what is
# wrong.

# %%
kernels = wrong_versions("packed_dot", count=10, seed=SEED)
kernels

# %% [markdown]
# ### A test with easy inputs
#
# Many people would write this test: 64 rows of 64 random signs, compared with the float product.

# %%
easy_a, easy_b = np.random.default_rng(0).choice([-1.0, 1.0], (2, 64, 64))


def easy_test(dot):
    return np.array_equal(dot(pack(easy_a), pack(easy_b), 64), (easy_a * easy_b).sum(axis=1))


print("the right kernel passes:", easy_test(packed_dot))
print("wrong kernels that pass:", [kernel.number for kernel in kernels if easy_test(kernel)])

# %% [markdown]
# The test compared 64 results by `==`, and still these wrong kernels passed. The reason is that every input is *easy*:
#
# - 64 signs fill a word, so there are no **tail bits** (the unused bits of a row's last word).
# - All products lie in $[-64, 64]$, so every counter is large enough.
# - Each row has one word, so no kernel can forget the second.
# - The arrays are new, so they lie in memory row after row, in **C order**. (In **Fortran order** they lie column
#   after column.)
#
# **Predict.** One known mistake uses the number of bits *stored* instead of $n$: it computes
# `64 * words - 2 popcount`. What does it give for a row of +1 with itself, for each of these $n$? (The right answer is
# $n$.)

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
# A **property** is a statement about a function that is true for *every* input. A **law** is a property that compares
# results of the function only with each other or with known constants. So nobody has to know the right result. For
# rows $a, b$ of $n$ signs, and $-a$ the row with all signs flipped:
#
# $$a \cdot a = n, \qquad a \cdot (-a) = -n, \qquad a \cdot b = b \cdot a$$
#
# **Predict.** With $p$ = popcount, what do these four wrong formulas give for $a \cdot a$? `2 p(a ^ a) - n`,
# `n - p(a ^ a)`, `p(a ^ a)`, `n - 2 p(a & a)`. A bit of 1 means −1.

# %% prediction="own"
a = np.array([-1.0, -1.0, 1.0])  # variant: np.array([-1.0, 1.0, 1.0, 1.0, -1.0]) | np.array([1.0, -1.0])
### BEGIN SOLUTION
own = [-len(a), len(a), 0, len(a) - 2 * (a < 0).sum()]
### END SOLUTION

# %% check="own"
check_prediction(own, [-a.size, a.size, 0, a.sum()])

# %% [markdown]
# One of the four obeys the law $a \cdot a = n$, and is wrong all the same. A law finds some mistakes and misses
# others.
#
# ### The laws as code
#
# Each law takes a kernel, signs `a` and `b` of shape `(rows, n)`, and a place `i` from 0 to `n - 1` that only some
# laws need. The last law says that the result must not depend on the order of the words in memory.


# %%
def with_itself(dot, a, b, i):
    return (dot(pack(a), pack(a), a.shape[1]) == a.shape[1]).all()


def with_opposite(dot, a, b, i):
    return (dot(pack(a), pack(-a), a.shape[1]) == -a.shape[1]).all()


def symmetric(dot, a, b, i):
    return np.array_equal(dot(pack(a), pack(b), a.shape[1]), dot(pack(b), pack(a), a.shape[1]))


def any_order(dot, a, b, i):
    words = [np.asfortranarray(pack(x)) for x in (a, b)]
    return np.array_equal(dot(*words, a.shape[1]), dot(pack(a), pack(b), a.shape[1]))


# %% [markdown]
# No test can run on every input. A test runs on a selection of inputs, and the selection decides what it finds. These
# sizes lie on both sides of a word's edge, above 255 (the largest value of a byte), and above 2048. In one pair all
# 4099 signs differ. In the last pair exactly 256 signs differ.

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
for law in (with_itself, with_opposite, symmetric, any_order):
    print(f"{law.__name__:13} misses the kernels", [k.number for k in kernels if for_all(law)(k)])

# %% [markdown]
# `symmetric` is true, but it finds none of them: some kernels make the same mistake on both sides, and for the others
# the order of the sides makes no difference. You cannot see from a law how much it finds. You have to try it on wrong
# functions.
#
# ### Exercise: a law about one sign
#
# Flip one sign of a row. What happens to the product? Only the term $a_i b_i$ changes, to $-a_i b_i$:
#
# $$a \cdot b - a' \cdot b = 2\, a_i b_i, \qquad a' = a \text{ with the sign at } i \text{ flipped}$$
#
# `check_property` calls your law with the right kernel, which must obey it, and with each wrong kernel, which must
# break it. Your law may miss kernels that `with_itself` or `any_order` find already. The check prints only the
# *numbers* of the kernels that get through.


# %% exercise="one_sign_flipped"
def one_sign_flipped(dot, a, b, i):
    """dot(words, words, n) -> (rows,); signs a, b (rows, n), a place i -> True where the law holds in all rows."""
    ### BEGIN SOLUTION
    n, flipped = a.shape[1], a.copy()
    flipped[:, i] *= -1
    change = dot(pack(a), pack(b), n) - dot(pack(flipped), pack(b), n)
    return np.array_equal(change, 2 * a[:, i] * b[:, i])
    ### END SOLUTION


# %% check="one_sign_flipped"
check_property(for_all(one_sign_flipped), kernels, beside=[for_all(with_itself), for_all(any_order)])

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# You need the kernel twice: once for `a`, and once for a copy of `a` in which column `i` has the other sign. `pack`
# turns signs into words.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `flipped[:, i] *= -1` flips the signs of a whole column. Compare the difference of both results, one number per row,
# with `2 * a[:, i] * b[:, i]`. `np.array_equal` gives one True or False.
#
# </details>
#
# **In the library**: each operation has a **record** in `tinybnn/testing/ops/`: an entry with its specification, its
# inputs for tests and its laws (`laws=`). Laws that many operations share (linear, adjoint, inverse) are in
# `tinybnn/testing/laws.py`. `tests/test_teeth.py` demands that some wrong version breaks each law, because a law that
# nothing breaks is useless.
#
# **What would break if** you kept `one_sign_flipped` and dropped `with_itself`?
#
# <details><summary>Answer</summary>
#
# Kernels that are wrong by a constant would get through, such as one that counts the tail bits as channels. Remove
# `for_all(with_itself)` from the check and see which of yours do. (A result of 8 bits can get through too: when it
# wraps around, the difference of two results wraps back.) Together the two laws leave only one function. Proof: flip
# signs of $a$ one after the other until $a = b$. `one_sign_flipped` gives the change of the product at each step.
# `with_itself` gives its last value, $n$. So every product is determined.
#
# A law also needs the right inputs. A counter of 8 bits goes from 255 to 0, and one flipped sign shows it only if the
# count crosses 256 there. That is why `inputs` has its last pair.
#
# </details>

# %% [markdown]
# ## Let the machine choose: strategies
#
# [Hypothesis](https://hypothesis.readthedocs.io) draws inputs at random. A **strategy** says what to draw:
# `st.sampled_from(list)`, `st.integers(least, most)`, or a function of your own under `@st.composite`, which draws
# from other strategies by `draw`. Hypothesis calls a test under `@given(strategy)` with up to `max_examples` inputs.
#
# Three settings make a test repeatable: `derandomize` (the same inputs each time), no `database` (nothing is stored
# between runs) and no `deadline` (slowness is no failure).

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
# A failing input of 130 random signs tells little. So Hypothesis **shrinks** it: it tries shorter and simpler inputs,
# and keeps each that still fails. Of several choices the first in the list counts as the simplest: here +1. Watch it
# on a kernel whose mistake we know: it uses only the first word.

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
# Each line is an input on which the kernel is wrong: black is −1, white is +1, and grey is beyond its $n$. The last
# input has one channel more than the first word holds, and its only −1 is there. So the smallest input *is* the
# diagnosis.
#
# **Predict.** There are two kernels. One counts disagreements in `BITS` bits, so that $2^{\text{BITS}}$ becomes 0. The
# other stores its *result* in `BITS` bits with a sign: from $-2^{\text{BITS}-1}$ to $2^{\text{BITS}-1} - 1$. For each,
# give the smallest $n$ for which some rows give a wrong product.

# %% prediction="smallest"
BITS = 8  # variant: 6 | 10
### BEGIN SOLUTION
smallest = [2**BITS, 2 ** (BITS - 1)]
### END SOLUTION

# %% check="smallest"
counts = np.arange(2**BITS + 1)
check_prediction(smallest, [np.argmax(counts % 2**BITS != counts), np.argmax(counts > 2 ** (BITS - 1) - 1)])

# %% [markdown]
# Random rows of that size do not find the first mistake. About half of their signs differ, and a count near $n / 2$
# fits into the counter. You need rows whose signs all differ, or much longer rows. So draw such rows on purpose.
#
# ### Exercise: a strategy that finds every known mistake
#
# The strongest property is the **specification**: it gives the right result for every input. Then only the inputs
# matter, and you choose them. `holds_for` compares a kernel with the float product on 100 of your pairs, as words in
# Fortran order. (`st.data()` gives the test `draw` itself, so `@st.composite` is not needed. `Phase.generate` alone
# means: draw inputs, but do not shrink.)


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
# What must a pair contain, so that each known mistake shows?
#
# - tail bits;
# - more than one word;
# - more than 255 signs that all differ;
# - a product beyond 2048 that half precision cannot represent;
# - several rows, because a single row is the same in C order and in Fortran order.
#
# The check takes 19 mistakes of the catalogue, not only the ten.


# %% exercise="drawn_pair"
def drawn_pair(draw):
    """draw, as in one_row above -> a pair of float arrays of -1 and +1, both (3, n)."""
    ### BEGIN SOLUTION
    n = draw(st.sampled_from([1, 63, 64, 65, 127, 130, 300, 4099]))
    a, b = np.random.default_rng(draw(st.integers(0, 9999))).choice([-1.0, 1.0], (2, 3, n))
    return a, draw(st.sampled_from([b, -a]))
    ### END SOLUTION


# %% check="drawn_pair"
check_property(holds_for(drawn_pair), wrong_versions("packed_dot", count=19, seed=SEED))

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Draw three things: a size, a seed for a NumPy generator (4099 single draws would be slow), and whether `b` is random
# or the opposite of `a`.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `np.random.default_rng(seed).choice([-1.0, 1.0], (2, 3, n))` unpacks into `a` and `b`. Draw `n` from a list that has
# sizes on both sides of a word's edge and two large ones that do not fill their words. Draw the second row from
# `[b, -a]`.
#
# </details>
#
# **In the library**: `tinybnn/testing/strategies.py`. It draws sizes that are *all different*, so that swapped axes
# show. Some cases, such as 300 and 4099 signs that all disagree, are not left to chance: the record of an operation
# lists them as `boundary=`, and they always run.
#
# **What would break if** `b` were drawn from `[a, -a]`?
#
# <details><summary>Answer</summary>
#
# Nothing here: every wrong kernel is found, although all products are $n$ or $-n$. But a kernel that compares only the
# first sign of each row, and gives $n$ or $-n$, would pass. The catalogue is a list of *known* mistakes. Draw random
# rows as well, to find mistakes that nobody has made yet.
#
# </details>

# %% [markdown]
# ## A true law that misses half of the mistakes
#
# Now we test `pack` with all of its mistakes in the catalogue. There are two obvious laws:
#
# - *same packing*: if both sides are packed by the same function, `packed_dot` gives the float product;
# - *round trip*: `unpack(pack(x), n)` is `x`.

# %%
packers = wrong_versions("pack", count=14, seed=SEED)


def same_packing(packer, a, b, i):
    return np.array_equal(packed_dot(packer(a), packer(b), a.shape[1]), (a * b).sum(axis=1))


def round_trip(packer, a, b, i):
    return np.array_equal(unpack(packer(np.asfortranarray(a)), a.shape[1]), a)


# %%
def obeys(law, kernel):
    try:
        return law(kernel)
    except (ValueError, TypeError):  # the library refuses these words, so the mistake is found
        return False


for law in (same_packing, round_trip):
    missed = sum(obeys(for_all(law), kernel) for kernel in packers)
    print(f"{law.__name__:12} misses {missed:2} of {len(packers)}")

# %% [markdown]
# *Same packing* misses half of them. Bits in the wrong order do no harm if both sides have the same wrong order. The
# harm comes with the first file from another program (numpy/numpy#9398, openvinotoolkit/openvino#4278). *Round trip*
# compares the words with a reader that is right. It misses what that reader ignores: the tail bits. `notation.py`
# demands that they are zero, because another kernel will count them.
#
# A zero bit reads as +1. So this is a law too: **a row, and the same row extended with +1 to whole words, have the
# same words.**
#
# ### Exercise: a whole test
#
# Write a test with both laws, *round trip* and the law about the tail. `rows()` is the strategy. The test has the form
# of `test` in `holds_for` above: `@REPEATABLE`, `@given(...)`, asserts, and at the end the call.


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
# Inside, define `test(x)` under the two decorators, and call `test()` in the last line. Without that call nothing
# runs.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `n` is `x.shape[1]`, and `64 * -(-n // 64)` is the number of bits in whole words. Make an array of ones of that
# width, put `x` into its first `n` columns, and pack it. Each law is one `assert np.array_equal(...)`.
#
# </details>
#
# **In the library**: the record of `pack` in `tinybnn/testing/ops/binarize.py`. It has one law, *round trip*, and
# leaves the tail bits to the specification, `pack_loops`.
#
# **What would break if** the test packed one side with the library, `packed_dot(packer(x), pack(x), n) == n`?
#
# <details><summary>Answer</summary>
#
# Nothing: the test would be stronger. That product is $n$ only if no bit differs, so it says that the words are those
# of `pack`. It is the specification disguised as a law, and it needs a right `pack`. A law does not.
#
# </details>
#
# ## Which test finds which bug
#
# The picture shows every test that was tried on the ten kernels. *Adds up* is a new law: cut a row in two, and the
# products of the parts add up to the product of the whole.


# %%
def adds_up(dot, a, b, i):
    n, i = a.shape[1], max(i, 1)
    parts = [dot(pack(a[:, s]), pack(b[:, s]), s.stop - s.start) for s in (slice(0, i), slice(i, n))]
    return np.array_equal(sum(parts), dot(pack(a), pack(b), n))


def specified(dot, a, b, i):
    words = [np.asfortranarray(pack(x)) for x in (a, b)]
    return np.array_equal(dot(*words, a.shape[1]), (a * b).sum(axis=1))


laws = (symmetric, any_order, with_itself, adds_up, with_opposite, specified)
tests = {"64 rows of 64": easy_test} | {law.__name__: for_all(law) for law in laws}

# %%
found = np.array([[not holds(kernel) for holds in tests.values()] for kernel in kernels])
figure = new_figure(7, 4)
axis = figure.subplots()
axis.imshow(found, cmap="Greys", vmin=-0.1, vmax=1.6, aspect="auto")
for row, column in np.argwhere(found):
    axis.text(column, row, "found", ha="center", va="center", fontsize=8, color="white")
axis.set_xticks(range(len(tests)), [f"{name}\n{n} of 10" for name, n in zip(tests, found.sum(axis=0))], fontsize=8)
axis.set_yticks(range(10), [kernel.number for kernel in kernels])
axis.set(xlabel="test, and how many kernels it finds", ylabel="wrong kernel")
figure

# %% [markdown]
# The specification, on good inputs, finds all. Laws are for cases without a specification. For example, nobody knows
# the right output of a network, but it must give the same output for an image alone and in a batch. And a broken law
# says *what* is wrong, not only that something is.
#
# ## Name the bug
#
# One wrong result rarely identifies a bug; several do. The table gives the results of all ten kernels on a few chosen
# pairs of rows. The first line is the right result. "7 | 0" means: 64 signs, with a single −1 at 7 in `a` and a single
# −1 at 0 in `b`. "33 end" has its −1 at the last place. "row 2" is the second of two rows, in Fortran order: 65 times
# −1 against +1.


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
for kernel in (packed_dot, *kernels):
    name = f"number {kernel.number}" if kernel in kernels else "right"
    results = [kernel(*map(np.asfortranarray, map(pack, pair)), pair[0].shape[1])[-1] for pair in pairs.values()]
    print(f"{name:10}" + "".join(f"{int(result):11}" for result in results))

# %% [markdown]
# And these are the ten mistakes, in alphabetical order:

# %%
reasons = sorted(kernel.reason() for kernel in kernels)
for k, reason in enumerate(reasons):
    print(k, reason)

# %% [markdown]
# **Predict.** Which mistake belongs to each of the kernels in `asked`? Give the numbers of the mistakes.

# %% prediction="named"
asked = [1, 4, 5, 8]  # variant: [2, 5, 8, 10] | [1, 3, 6, 9]
### BEGIN SOLUTION
named = [reasons.index(kernels[k - 1].reason()) for k in asked]
### END SOLUTION

# %% check="named"
check_prediction(named, [reasons.index(kernels[k - 1].reason()) for k in asked])

# %% [markdown]
# <details><summary>How to find it</summary>
#
# Begin with the columns in which few kernels are wrong.
#
# - Wrong at "300 all" and right at "65 end": a counter, or a result, is too small.
# - Wrong at "65" and right at 64: the tail bits.
# - Wrong at "65 end" and right at "33 end": the second word.
# - Wrong at both, and right at "65": a word that is not full.
# - Wrong in one of "7 | 0", "32 | 0", "56 | 0": bits, halves or bytes are in the wrong order.
# - Wrong only in "row 2": the order in memory.
#
# </details>
#
# The library does the same automatically. `check` compares the results of your function, right ones and wrong ones,
# with the results of every known mistake. It names a mistake as the cause only if both agree on all cases tried. Read
# the second line of the message. (The input may still look random. The library draws signs by a seed, as Hint 2 of
# `drawn_pair` does, and a smaller seed does not give simpler signs.)

# %% tags=["varies"]
try:
    check("packed_dot", kernels[6])
except Mismatch as error:
    print(error)

# %% [markdown]
# ## Who tests the tests?
#
# A test is worth what it finds. So this notebook tried its tests on wrong functions. This is **mutation testing**, and
# the library does it twice. First, `tests/test_teeth.py` demands that the check rejects each mistake of
# [the catalogue](../docs/mistakes.md), that it accepts the right function, and that it names the cause of 95 in 100
# mistakes. Second, a program makes every small change that it knows in the library's own files, `<` to `<=`, `+` to
# `-`, and runs the tests. [survivors.md](../tests/survivors.md) lists each change that no test noticed, with a reason.
#
# ## What you have
#
# Inputs at the edges, laws for cases without a known answer, and a measure of what each is worth. All kernels here
# were Python functions. Notebook 13 tests kernels in C, Verilog and PyTorch in the same way.
