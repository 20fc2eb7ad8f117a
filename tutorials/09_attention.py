# %% [markdown]
# # 9. Attention: what it costs, and how little of it is enough
#
# 45 minutes · needs 01, 03, 05 · explains `tinybnn/ops/attend.py`, `tinybnn/ops/attention.py`,
# `tinybnn/ops/pyramid.py`, `tinybnn/ops/reduced_attention.py`, `tinybnn/model/cost.py`
#
# Afterwards you can
#
# - write a softmax that does not overflow, and its backward pass;
# - count what attention costs, say which kinds grow with the square of the number of pixels, and judge a claim of "100
#   times";
# - compute scores by XOR and popcount, and say which part of attention stays real.

# %%
import math
import time

import numpy as np

from tinybnn import load, sign
from tinybnn.app.pictures import new_figure, pictures
from tinybnn.model import cost
from tinybnn.ops.attend import AttendCache, attend, attend_backward, merge_heads, split_heads
from tinybnn.ops.attention import attention, attention_loops, binary_attention, binary_attention_packed
from tinybnn.ops.bitpack import pack
from tinybnn.ops.pyramid import LEVELS, pyramid_pool, pyramid_pool_backward
from tinybnn.testing import check, check_prediction

# %% [markdown]
# ## Every token compares itself with all others
#
# The output of a 3x3 convolution depends on nine positions. With attention the output at a position depends on all
# positions. For this the map `(N, H, W, C)` becomes a list of **tokens** `(N, T, D)`, with $T = H W$ and $D = C$. This
# is one `reshape`, row by row.
#
# **Predict.** The map has `W` columns. In which row and which column does token number `TOKEN` lie? Both count from 0.

# %% prediction="place"
W = 5  # variant: 4 | 7
TOKEN = 13  # variant: 9 | 11
### BEGIN SOLUTION
place = [TOKEN // W, TOKEN % W]
### END SOLUTION

# %% check="place"
check_prediction(place, np.argwhere(np.arange(8 * W).reshape(8, W) == TOKEN)[0])

# %% [markdown]
# Three vectors are computed from each token: a **query** $q_t$ (what this token is looking for), a **key** $k_s$ (what
# this token contains) and a **value** $v_s$ (what it passes on). In the network one binary 1x1 convolution computes
# all three. The score $a_{ts}$ is the dot product of a query and a key. Softmax turns the scores of a query into
# weights with sum 1. The output is the mean of the values with these weights:
#
# $$a_{ts} = \frac{1}{\sqrt D} \sum_d q_{td} k_{sd}, \qquad
# w_{ts} = \frac{e^{a_{ts}}}{\sum_r e^{a_{tr}}}, \qquad y_{td} = \sum_s w_{ts} v_{sd}$$
#
# (Vaswani 2017, arXiv 1706.03762, eq. 1; status *exact*.) A sum of $D$ products of independent numbers with mean 0 and
# variance 1 has variance $D$. Division by $\sqrt D$ makes the variance 1 again.
#
# ### The specification


# %%
def attention_in_loops(q, k, v):
    """One image, one head: q (T, D), k (S, D), v (S, D) -> (T, D)."""
    y = np.zeros(q.shape)
    for t in range(len(q)):
        e = [math.exp(sum(q[t] * k[s]) / math.sqrt(len(q[t]))) for s in range(len(k))]
        for s in range(len(k)):
            y[t] += e[s] / sum(e) * v[s]
    return y


q, k, v = np.random.default_rng(0).normal(size=(3, 6, 4))
np.allclose(attention_in_loops(q, k, v), attention(q[None], k[None], v[None])[0], rtol=0, atol=1e-12)

# %% [markdown]
# The library's own loops are `attention_loops`, for any number of images and heads. A **head** is a group of D
# neighbouring channels that has its own scores. `split_heads` turns `(N, T, A D)` into `(N, A, T, D)`, where A is the
# number of heads.
#
# **Predict.** One query has the scores `scores` for three keys. What is the weighted mean of the three values? You
# need no calculator: $e^{\log p} = p$.

# %% prediction="mean"
parts = np.array([1.0, 2.0, 5.0])  # variant: np.array([4.0, 3.0, 1.0]) | np.array([2.0, 7.0, 1.0])
scores, v = np.log(parts), np.array([8.0, 4.0, -8.0])
### BEGIN SOLUTION
mean = (parts * v).sum() / parts.sum()
### END SOLUTION

# %% check="mean"
check_prediction(mean, attend(scores.reshape(1, 1, 1, 3), v.reshape(1, 1, 3, 1))[0].item())

# %% [markdown]
# ### Softmax overflows
#
# $e^a$ is too large for float32 from $a = 89$ on, and for float64 from $a = 710$ on:

# %%
with np.errstate(over="ignore", invalid="ignore"):
    e = np.exp(np.array([0.0, 709.0, 710.0]))
    print(e, e / e.sum(), np.exp(np.array([88, 89], np.float32)))

# %% [markdown]
# Infinity divided by infinity is NaN. (NVIDIA/FasterTransformer#43 is one such case.) The remedy costs almost nothing.
# Subtract the same number $m_t$ from all scores of a row: this divides numerator and denominator by $e^{m_t}$, so the
# weights stay the same. Take $m_t = \max_s a_{ts}$. Then the largest exponent is 0, the sum is at least 1, and nothing
# overflows.
#
# ### Exercise: `attend`


# %% exercise="attend"
def weighted_mean(scores, v):
    """scores (N, A, T, S) and v (N, A, S, D) -> y (N, A, T, D), safe for scores of any size."""
    ### BEGIN SOLUTION
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True) @ v
    ### END SOLUTION


# %% check="attend"
check("attend", weighted_mean)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Each query has its own maximum and its own sum. Both run over the keys, the last axis. `keepdims=True` keeps that
# axis with length 1, so that the result broadcasts against the scores.
#
# </details>
# <details><summary>Hint 2</summary>
#
# There are three steps: subtract the row's maximum and take `np.exp`, divide by the row's sum, and multiply by `v`
# with `@`. `@` works on the last two axes: (T, S) by (S, D).
#
# </details>
#
# **In the library**: `attend` in `tinybnn/ops/attend.py`, with the same three steps. It computes the exponentials in
# place, because the scores, `(N, A, T, S)`, are the largest array of the layer.
#
# **What would break if** you forgot to divide by $\sqrt D$? With $D = 64$ the scores would be eight times as large:
# try `attention(8 * hue, hue, tokens)` in the next cell.
#
# <details><summary>Answer</summary>
#
# Softmax of large scores gives almost all of the weight to one key. The others get almost no weight and, as the next
# section shows, almost no gradient. Several public projects had this mistake: delzac/cntkx#10, mlc-ai/mlc-llm#3426,
# PAIR-code/tiny-transformers#71.
#
# </details>
#
# ### A picture of the weights
#
# Attention can be shown without training. Here queries and keys are the colours of a photograph, reduced to a map of
# 24 x 24. The mean colour is subtracted, each result is scaled to length 1 and multiplied by 4. So two tokens with
# similar hues have a high score.

# %%
photo = load("photos", "val")[6].image.astype(float)
small = photo.reshape(24, 4, 24, 4, 3).mean(axis=(1, 3))
tokens = small.reshape(1, 24 * 24, 3)
hue = tokens - tokens.mean(axis=1)
hue = 4 * hue / np.linalg.norm(hue, axis=-1, keepdims=True)
_, cache = attention(hue, hue, tokens)
tokens.shape, cache.weights.shape

# %%
rows, columns = np.array([9, 16, 4, 3]), np.array([14, 15, 9, 3])
chosen = rows * 24 + columns
dot = {"boxstyle": "circle,pad=0.2", "color": "black"}
maps = cache.weights[0, 0, chosen].reshape(4, 24, 24)
figure = pictures({"the map": small} | {f"weights of query {i + 1}": m for i, m in enumerate(maps)}, cmap="gray")
for i in range(4):
    figure.axes[0].text(columns[i], rows[i], i + 1, color="white", fontsize=8, ha="center", va="center", bbox=dot)
figure

# %% [markdown]
# White is the largest weight of that query. Query 1 lies in the coffee: its large weights are on coffee and bright
# wood. Query 2 finds the dark red of cup and saucer. Query 3, on the rim of the cup, finds the whole rim, on the far
# side too. Query 4 finds the wood, and the brown inside of the cup. No 3x3 convolution reaches so far.

# %% [markdown]
# ## The backward pass of a softmax
#
# A gradient `dy` arrives at $y = w v$. This is a matrix product, so (notebook 05)
#
# $$dw = dy\, v^T, \qquad dv = w^T dy$$
#
# In a row of softmax every weight depends on every score: a larger $a_s$ raises $w_s$ and lowers the others. The
# derivative is $\partial w_r / \partial a_s = w_r\,([r = s] - w_s)$. Multiply it by $dw_r$ and sum over $r$:
#
# $$da_s = w_s \Big( dw_s - \sum_r w_r\, dw_r \Big)$$
#
# In words: subtract from each $dw_s$ the weighted mean of its row, then multiply by the weight. So each row of
# `dscores` has the sum 0. It must, because a constant added to a row of scores changes nothing.
#
# **Predict.** A query has the weights `w`, and the gradient of these weights is `dw`. What is `dscores`?

# %% prediction="dscores"
w = np.array([0.25, 0.75])  # variant: np.array([0.5, 0.5]) | np.array([0.75, 0.25])
dw = np.array([4.0, 8.0])  # variant: np.array([-4.0, 4.0]) | np.array([8.0, 0.0])
### BEGIN SOLUTION
dscores = w * (dw - (w * dw).sum())
### END SOLUTION

# %% check="dscores"
one_query = AttendCache(w.reshape(1, 1, 1, 2), dw.reshape(1, 1, 2, 1))
check_prediction(dscores, attend_backward(np.ones((1, 1, 1, 1)), one_query).dscores[0, 0, 0])

# %% [markdown]
# ### Exercise: `attend_backward`


# %% exercise="attend_backward"
def weighted_mean_backward(dy, cache):
    """dy (N, A, T, D), cache.weights (N, A, T, S), cache.v (N, A, S, D) -> dscores (N, A, T, S), dv (N, A, S, D)."""
    ### BEGIN SOLUTION
    w = cache.weights
    dw = dy @ cache.v.swapaxes(-1, -2)
    dscores = w * (dw - (w * dw).sum(axis=-1, keepdims=True))
    return dscores, w.swapaxes(-1, -2) @ dy
    ### END SOLUTION


# %% check="attend_backward"
check("attend_backward", weighted_mean_backward)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# `.T` reverses the order of all four axes. `x.swapaxes(-1, -2)` swaps only the last two.
#
# </details>
# <details><summary>Hint 2</summary>
#
# First compute `dw`, of shape (N, A, T, S). Then `w * dw`, summed over the last axis with `keepdims=True`, is the mean
# to subtract from `dw`.
#
# </details>
#
# **In the library**: `attend_backward` in `tinybnn/ops/attend.py`. Every attention with softmax in the library uses
# it.
#
# **What would break if** one score were far above the others? Try it:
#
# ```python
# sure = np.array([1e-20, 1.0]).reshape(1, 1, 1, 2)
# attend_backward(np.ones((1, 1, 1, 1)), AttendCache(sure, dw.reshape(1, 1, 2, 1))).dscores
# ```
#
# <details><summary>Answer</summary>
#
# This query would learn nothing. For the key with weight 1 the weighted mean is its own gradient, so the difference
# is 0. For all other keys the factor $w_s$ is almost 0. So the scores get no gradient, and the query cannot move its
# weight to another key. This is why scores are divided by $\sqrt D$: weights should not be extreme before the network
# has learnt anything.
#
# </details>

# %% [markdown]
# ## What it costs
#
# Attention computes one product $q_{td} k_{sd}$ for every $t$, $s$ and $d$, and as many products $w_{ts} v_{sd}$.
#
# **Predict.** How many multiplications does full attention take for `T` tokens of width `D`, with as many keys as
# queries? (Do not count the divisions by $\sqrt D$ and by the sums.)

# %% prediction="products"
T = 5  # variant: 4 | 7
D = 3  # variant: 2 | 4
### BEGIN SOLUTION
products = 2 * T * T * D
### END SOLUTION

# %% check="products"
check_prediction(products, cost.attention_count(1, T, T, D).real)

# %% [markdown]
# A formula can be wrong. So the next cell runs the loops with numbers that count their multiplications:


# %%
class Counting(float):
    products = 0

    def __mul__(self, other):
        Counting.products += 1
        return float.__mul__(self, other)

    __rmul__ = __mul__


x = np.vectorize(Counting, otypes=[object])(np.random.default_rng(0).normal(size=(1, T, D)))
attention_loops(x, x, x)
print(Counting.products, cost.attention_count(1, T, T, D).real)

# %% [markdown]
# `tests/test_cost.py` checks every count of `tinybnn/model/cost.py` in this way.
#
# ### Three ways to avoid the square
#
# The cost for images is high because of $T^2$. There are three remedies:
#
# - **Pooled keys.** The T queries are compared with only $S$ keys, which are means over parts of the map: $2\,T S D$.
#   $S$ may be a fixed *number*, or $T$ divided by a fixed *factor*.
# - **Channel attention.** Channels, not tokens, attend to each other: $2\,T D^2$.
# - **Linear attention.** Without softmax, $(q k^T)\,v = q\,(k^T v)$, and the right side needs no T x T array:
#   $2\,T D^2$ too. (Efficient Attention, Shen 2018, arXiv 1812.01243, without its softmax; status *reconstructed*.)
#
# **Predict.** An image becomes `GROWTH` times as high and as wide. By what factor do the multiplications grow: (a) in
# full attention, (b) with keys pooled to 110, (c) with keys pooled 2 x 2, so that $S = T / 4$?

# %% prediction="growth"
GROWTH = 2  # variant: 3 | 4
### BEGIN SOLUTION
growth = [GROWTH**4, GROWTH**2, GROWTH**4]
### END SOLUTION

# %% check="growth"
few, many = 64, 64 * GROWTH**2
counts = [[cost.attention_count(1, T, S, 64).real for S in (T, 110, T // 4)] for T in (few, many)]
check_prediction(growth, np.divide(counts[1], counts[0]))

# %% [markdown]
# Pooling by a fixed factor makes attention cheaper by that factor, but it stays quadratic. On logarithmic axes a power
# of T is a straight line, and its slope is the power:

# %%
D, S, T = 64, cost.anchors(LEVELS), 4 ** np.arange(3, 9)
curves = {
    "full": cost.attention_count(1, T, T, D).real,
    "keys pooled 2 x 2": cost.attention_count(1, T, T // 4, D).real,
    "keys pooled to 110": cost.attention_count(1, T, S, D).real,
    "channel; linear": cost.channel_attention_count(1, T, D).real,
}
for name, count in curves.items():
    slopes = np.log(count[1:] / count[:-1]) / np.log(4)
    print(f"{name:18}  slope {slopes.min():.2f} to {slopes.max():.2f}   at T = {T[-1]:,}: {count[-1]:15,}")

# %%
figure = new_figure(6.4, 3.8)
axis = figure.subplots()
for (name, count), marker in zip(curves.items(), "os^v"):
    axis.loglog(T, count, marker=marker, label=name)
axis.set(xlabel="tokens T", ylabel="multiplications, D = 64")
axis.grid(alpha=0.3)
axis.legend()
figure

# %% [markdown]
# Below $T = 110$ the 110 pooled keys cost more than they save. The counts are exact, but they do not tell the time;
# the time is measured below. The counts do not include the pooling itself, which only adds: about once for each token,
# channel and level.
#
# ### The pyramid: 110 anchors
#
# Asymmetric non-local networks (Zhu 2019, arXiv 1908.07678; status *exact*) cut the map into 1 x 1, 3 x 3, 6 x 6 and 8
# x 8 cells and average each cell. This gives $1 + 9 + 36 + 64 = 110$ **anchors**, for any size of the map. Keys and
# values are pooled in the same way.

# %%
anchors, _ = pyramid_pool(small[None])
ends = np.cumsum([n * n for n in LEVELS])
shown = {f"level {n}: {n} x {n}": anchors[0, end - n * n : end].reshape(n, n, 3) for n, end in zip(LEVELS, ends)}
pictures({"the map": small} | shown)

# %% [markdown]
# Level $n$ cuts $H$ rows into $n$ cells, even if $n$ does not divide $H$. Cell $i$ takes **every row that it
# overlaps**: from $\lfloor i H / n \rfloor$ up to, but not including, $\lceil (i + 1) H / n \rceil$. If $n$ does not
# divide $H$, neighbouring cells share rows. The same holds for columns. (PyTorch's adaptive pooling has the same
# cells.)
#
# **Predict.** A line of five pixels is cut into three cells. What are the three means?

# %% prediction="cells"
line = np.array([2.0, 4.0, 6.0, 8.0, 16.0])  # variant: np.array([3.0, 9.0, 3.0, 0.0, 4.0])
### BEGIN SOLUTION
cells = [line[0:2].mean(), line[1:4].mean(), line[3:5].mean()]
### END SOLUTION

# %% check="cells"
check_prediction(cells, pyramid_pool(line.reshape(1, 1, 5, 1), levels=(3,))[0][0, :3, 0])

# %% [markdown]
# ### Exercise: `pyramid_pool`


# %% exercise="pyramid_pool"
def means_of_cells(x, *, levels):
    """x (N, H, W, C) and levels, such as (1, 3) -> (N, S, C), S the sum of the levels' squares.

    Level after level, and within a level row after row."""
    ### BEGIN SOLUTION
    N, H, W, C = x.shape
    anchors = []
    for n in levels:
        for i, j in np.ndindex(n, n):
            rows = slice(i * H // n, math.ceil((i + 1) * H / n))
            columns = slice(j * W // n, math.ceil((j + 1) * W / n))
            anchors.append(x[:, rows, columns].mean(axis=(1, 2)))
    return np.stack(anchors, axis=1)
    ### END SOLUTION


# %% check="pyramid_pool"
check("pyramid_pool", means_of_cells)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# `np.ndindex(n, n)` gives all pairs (i, j), row after row. A cell of `x` is `x[:, rows, columns]` with two slices, and
# its mean over axes 1 and 2 has shape (N, C).
#
# </details>
# <details><summary>Hint 2</summary>
#
# Rows are `slice(i * H // n, math.ceil((i + 1) * H / n))`; columns are the same with j and W. Collect the means in a
# list, and join them with `np.stack` along a new axis 1.
#
# </details>
#
# **In the library**: `pyramid_pool` in `tinybnn/ops/pyramid.py`. It pools each level with `adaptive_avg_pool2d` of
# `tinybnn/ops/pool.py`: two matrix products, one for rows and one for columns. The backward pass is the same two
# products, transposed.
#
# **What would break if** keys were pooled row by row, and values column by column?
#
# <details><summary>Answer</summary>
#
# No shape would be wrong. A query that finds the anchor at the top right would get the value of the bottom left. If
# keys *and* values were ordered column by column, nothing would break: attention does not depend on the order of its
# keys.
#
# </details>
#
# ### From how many tokens on is it 100 times fewer?
#
# Full attention takes $2 T^2 D$ multiplications, attention to $S$ anchors takes $2\,T S D$. The ratio is $T / S$, for
# any $D$.

# %%
print("position part 100 times fewer from T =", cost.tokens_for(100, D, LEVELS))
print("both parts 100 times fewer from T =", cost.tokens_for(100, D, LEVELS, both=True))
for stride in (8, 16, 32):
    T = (1024 // stride) * (2048 // stride)
    full = cost.attention_count(1, T, T, D).real
    position, both = cost.attention_count(1, T, S, D).real, cost.two_part_count(1, T, S, D).real
    print(f"1024 x 2048 image / {stride}: T = {T:6,}   position {full / position:5.1f}   both parts {full / both:5.1f}")

# %% [markdown]
# The paper that this course follows (Ding and others, arXiv 2405.17776) claims a **two-part attention** at about a
# hundredth of the cost. This is the paper's number, not ours. We do not know for which map it was counted, nor what
# exactly the two parts are. The counts of the cell above are exact for our reconstruction. They show that "100 times"
# is not a property of the method alone: it holds from a certain number of tokens on, and on a small image the same
# network saves little.
#
# ### The two parts
#
# Status *reconstructed*: the paper says that there are two parts. Both parts below are ours, built from published
# methods.
#
# - The **position part** asks *where*: binary scores of T queries with 110 pooled keys.
# - The **channel part** asks *what*: each channel is one query of width T, and the D channels of a head attend to each
#   other (the affinity of dual attention, Fu 2018, arXiv 1809.02983). It is the same function with tokens and channels
#   swapped, so its scores are divided by $\sqrt T$.
# - The output is their **sum**.

# %%
from tinybnn.ops.attend import transpose_heads
from tinybnn.ops.reduced_attention import channel_attention, pooled_attention, two_part_attention

q, k, v = np.random.default_rng(1).normal(size=(3, 1, 24 * 24, 8))
one, grid = np.ones(1), (24, 24)
position, channel = pooled_attention(q, k, v, one, grid=grid)[0], channel_attention(q, k, v, one)[0]
swapped = transpose_heads(binary_attention(transpose_heads(q), transpose_heads(k), transpose_heads(v), one)[0])
two = two_part_attention(q, k, v, one, one, grid=grid)[0]
print("the channel part is attention with tokens and channels swapped:", (channel == swapped).all())
print("two-part attention is the sum of the two parts:", (two == position + channel).all())

# %% [markdown]
# ## Binary scores
#
# The scores use only the signs of queries and keys. Values and weights stay real:
#
# $$a_{ts} = \frac{\text{scale}}{\sqrt D} \sum_d \operatorname{sgn}(q_{td}) \operatorname{sgn}(k_{sd})
# = \frac{\text{scale}}{\sqrt D} \big( D - 2\,\text{popcount}(q_t \oplus k_s) \big)$$
#
# Signs lose the sizes of q and k. One learnt scale for each head replaces them; without it a score could never leave
# $\pm\sqrt D$. (BiBERT has no such scale, to save work at inference: Efficient-ML/BiBERT#4.) With or without a scale,
# a score has only $D + 1$ possible values. (Scores of this kind: BinaryFormer, Heinrich 2025. The paper of this course
# says that its attention is binarized, without equations; status *reconstructed*.)
#
# **Predict.** A query and two keys of `D` signs are packed as in notebook 03, into the words `query` and `keys`. (A
# word is an integer whose bits are signs; a bit of 1 means -1.) What are the two scores if the scale is `SCALE`?

# %% prediction="binary"
D = 4
SCALE = 3.0  # variant: 2.0 | -1.0
query = 0b0110  # variant: 0b1010 | 0b0001
keys = [0b0111, 0b1001]
### BEGIN SOLUTION
binary = [SCALE / 2 * (4 - 2 * (query ^ key).bit_count()) for key in keys]
### END SOLUTION

# %% check="binary"
differ = np.bitwise_count(np.array(keys) ^ query).astype(int)
check_prediction(binary, SCALE / math.sqrt(D) * (D - 2 * differ))

# %% [markdown]
# ### Exercise: scores by XOR and popcount
#
# The signs of every token are packed along its channels. Then one XOR compares every query with every key. The cell
# below puts your scores between `split_heads` and the softmax.


# %%
def attention_with(scores_of):
    def forward(q, k, v, scale, *, heads=1):
        q, k, v = (split_heads(x, heads) for x in (q, k, v))
        return merge_heads(attend(scores_of(q, k, scale), v)[0])

    return forward


# %% exercise="binary_scores"
def scores_by_xor(q, k, scale):
    """q (N, A, T, D), k (N, A, S, D), floats, and scale (A,) -> scores (N, A, T, S), floats of q's dtype."""
    ### BEGIN SOLUTION
    D = q.shape[-1]
    q_words, k_words = pack(sign(q)), pack(sign(k))
    differ = np.bitwise_count(q_words[:, :, :, None] ^ k_words[:, :, None]).sum(axis=-1, dtype=int)
    return (D - 2 * differ).astype(q.dtype) * (scale[:, None, None] / math.sqrt(D))
    ### END SOLUTION


# %% check="binary_scores"
check("binary_attention_packed", attention_with(scores_by_xor))

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# `pack(sign(q))` has shape (N, A, T, words). Add an axis for the keys to it, and an axis for the queries to the packed
# keys. Then XOR of the two has shape (N, A, T, S, words). Count with `np.bitwise_count`, and sum over the words.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `np.bitwise_count` gives `uint8`. Sum with `dtype=int`; otherwise $D - 2p$ wraps around below 0. Compute the integer
# first, then `.astype(q.dtype)`, then the factor `scale[:, None, None] / math.sqrt(D)`. This is the order of the float
# form, so the results are equal by `==`.
#
# </details>
#
# **In the library**: `packed_dots` in `tinybnn/ops/attend.py`, which takes a few queries at a time so that the arrays
# of XORs stay small, and `binary_attention_packed` in `tinybnn/ops/attention.py`. Training uses `binary_attention`.
# Its backward pass is your `attend_backward`, then the straight-through estimator of notebook 01.
#
# **What would break if** the weights became bits too, 1 for a score of at least 0 and 0 for the others?
#
# <details><summary>Answer</summary>
#
# The output would be the *sum* of many values, or 0; so it would grow with the number of keys. And XOR would no longer
# be the right operation: weights in {0, 1} times values in {−1, +1} have three possible results. With weight bits $p$
# and value bits $b$ the sum is $\text{popcount}(p) - 2\,\text{popcount}(p \mathbin{\&} b)$: an AND and two counts.
# Such networks exist, and readers of their code asked for this operation (Efficient-ML/BiBERT#2). Here the softmax
# stays, and values stay real.
#
# </details>
#
# ### Signs of colours
#
# Three signs of a colour would tell little. So each colour value is compared with ten thresholds (notebook 08: several
# thresholds keep more of a value than one). This gives 30 signs for each token. Two colours then differ in as many
# signs as there are thresholds between them: the popcount is a distance. In the lower row the keys are the 110
# anchors. The weight of an anchor is spread over its pixels, as in the backward pass of pooling.

# %%
code = (small[..., None] - np.linspace(0.05, 0.95, 10)).reshape(1, 24 * 24, 30)
all_keys = binary_attention(code, code, code, np.array([2.0]))[1].weights[0, 0]
_, cache = pooled_attention(code, code, code, np.array([2.0]), grid=(24, 24))
maps = {"576 keys": [all_keys[t].reshape(24, 24) for t in chosen]}
weights = [cache.weights[0, 0, t].reshape(1, -1, 1) for t in chosen]
_, pooling = pyramid_pool(np.zeros((1, 24, 24, 1)))
maps["110 keys"] = [pyramid_pool_backward(w, pooling)[0, :, :, 0] for w in weights]

# %%
figure = new_figure(7, 3.7)
for axes, (name, row) in zip(figure.subplots(2, 4), maps.items()):
    for i, (axis, shown) in enumerate(zip(axes, row)):
        axis.imshow(shown, cmap="gray", interpolation="nearest")
        axis.set(xticks=[], yticks=[])
        axis.set_title(f"query {i + 1}, {name}", fontsize=8)
figure

# %% [markdown]
# The queries are those of the first picture. The signs find much the same regions, but more selectively: they also
# compare the brightness of the tokens, which the hue leaves out. With anchors the weights form blocks, mostly in the
# same places.
#
# ### Times, and what bits really save
#
# First the cell checks the results. The packed form equals the binary one. And level 48 on a map of 48 x 48 pools
# nothing, so there the pooled form must equal the full one.

# %%
q, k, v = np.random.default_rng(2).normal(size=(3, 1, 48 * 48, 64)).astype(np.float32)
one, grid = np.ones(1, np.float32), (48, 48)
expected = binary_attention(q, k, v, one)[0]
assert (binary_attention_packed(q, k, v, one) == expected).all()
assert (pooled_attention(q, k, v, one, grid=grid, levels=(48,))[0] == expected).all()

# %% tags=["varies"]
functions = {
    "full, real scores": lambda: attention(q, k, v),
    "full, binary by floats": lambda: binary_attention(q, k, v, one),
    "full, binary by XOR": lambda: binary_attention_packed(q, k, v, one),
    "pooled, binary by floats": lambda: pooled_attention(q, k, v, one, grid=grid),
}
seconds = {name: [] for name in functions}
for _ in range(5):
    for name, function in functions.items():
        started = time.perf_counter()
        function()
        seconds[name].append(time.perf_counter() - started)
for name in functions:
    print(f"{name:25} {np.median(seconds['full, real scores']) / np.median(seconds[name]):5.1f} times as fast as full")

# %% [markdown]
# The pooled form takes $2304 / 110$, about 21 times, fewer multiplications. Most of that saving shows in the measured
# time. The XOR form replaces 64 multiplications by two operations on a word, and yet it gains little or nothing. One
# reason: softmax and the values are real and take the same time as before. The other: XOR and popcount in NumPy are
# about as fast as a matrix product of floats, not faster. What makes attention fast here is fewer keys, not fewer
# bits. ([docs/speed.md](../docs/speed.md) has the measurements and the reasons; `python -m benchmarks` makes them.)
#
# ### In a network
#
# Now queries and keys are learnt: a hundred steps on the photographs, which take a few seconds.

# %% tags=["varies"]
from tinybnn import Config
from tinybnn.app.pictures import attention as draw_attention
from tinybnn.model.train import Training, start, train

data = load("photos", "train")
run = start(Config(branches=1, levels=(1, 3, 6)), Training(steps=100, paint=0.5))
print("training for 100 steps ...")
run = train(run, [data[i] for i in range(0, len(data), 4)])
draw_attention(run, photo.astype(np.float32), queries=[(0.5, 0.5), (0.15, 0.2)])

# %% [markdown]
# Each circle is a query. Light (yellow) means much weight; the weight of an anchor is spread over its cell. The
# picture on the right shows, row by row, how much weight each channel of the head gives to every other channel. With
# another seed the network learns other weights. Such a picture shows what one network does; it proves nothing about
# the method.
#
# ### Do the shortcuts do all the work?
#
# `attention_block` in `tinybnn/model/blocks.py` returns $x + \text{norm}(\text{attention}(\ldots))$: a real-valued
# shortcut passes $x$ on unchanged. A reader of another project asked whether such shortcuts make the binary branch
# useless (Phuoc-Hoan-Le/BinaryViT#1). The answer there was no, provided that a batch norm before the sum gives the
# branch values of a useful size. This network has such a batch norm.
#
# To know whether the branch *does* help, remove it and train again with the same seeds. The [README](../README.md)
# shows the result for five seeds. On the photographs two-part attention raises the IoU in all five. On the streets the
# gain is no larger than its spread. A shortcut can do all the work, so we measure.
#
# ## What you have
#
# A softmax with its gradient, a number of keys that does not grow with the image, and scores made of bits. These were
# the last parts of the network. Notebook 10 assembles and trains it, and removes the parts one by one.
