# %% exercise="conv2d" cause="turns the kernel by 180 degrees, as convolution does in signal processing"
def conv_by_columns(x, w, *, stride, pad, pad_value):
    (SH, SW), (PH, PW), (KH, KW, C, F) = stride, pad, w.shape
    padded = np.pad(x, ((0, 0), (PH, PH), (PW, PW), (0, 0)), constant_values=pad_value)
    view = np.lib.stride_tricks.sliding_window_view(padded, (KH, KW), axis=(1, 2))[:, ::SH, ::SW]
    columns = view.transpose(0, 1, 2, 4, 5, 3).reshape(-1, KH * KW * C)
    return (columns @ w[::-1, ::-1].reshape(-1, F)).reshape(*view.shape[:3], F)


# %% exercise="conv2d" cause="pads with zeros whatever was asked"
def conv_by_columns(x, w, *, stride, pad, pad_value):
    (SH, SW), (PH, PW), (KH, KW, C, F) = stride, pad, w.shape
    padded = np.pad(x, ((0, 0), (PH, PH), (PW, PW), (0, 0)))
    view = np.lib.stride_tricks.sliding_window_view(padded, (KH, KW), axis=(1, 2))[:, ::SH, ::SW]
    columns = view.transpose(0, 1, 2, 4, 5, 3).reshape(-1, KH * KW * C)
    return (columns @ w.reshape(-1, F)).reshape(*view.shape[:3], F)


# %% exercise="conv2d" cause="ignores the stride"
def conv_by_columns(x, w, *, stride, pad, pad_value):
    (PH, PW), (KH, KW, C, F) = pad, w.shape
    padded = np.pad(x, ((0, 0), (PH, PH), (PW, PW), (0, 0)), constant_values=pad_value)
    view = np.lib.stride_tricks.sliding_window_view(padded, (KH, KW), axis=(1, 2))
    columns = view.transpose(0, 1, 2, 4, 5, 3).reshape(-1, KH * KW * C)
    return (columns @ w.reshape(-1, F)).reshape(*view.shape[:3], F)


# %% exercise="conv2d" cause="exchanges rows and columns of the kernel"
def conv_by_columns(x, w, *, stride, pad, pad_value):
    (SH, SW), (PH, PW), (KW, KH, C, F) = stride, pad, w.shape
    padded = np.pad(x, ((0, 0), (PH, PH), (PW, PW), (0, 0)), constant_values=pad_value)
    view = np.lib.stride_tricks.sliding_window_view(padded, (KH, KW), axis=(1, 2))[:, ::SH, ::SW]
    columns = view.transpose(0, 1, 2, 5, 4, 3).reshape(-1, KH * KW * C)
    return (columns @ w.reshape(-1, F)).reshape(*view.shape[:3], F)


# %% exercise="conv2d" cause="pads above and to the left only"
def conv_by_columns(x, w, *, stride, pad, pad_value):
    (SH, SW), (PH, PW), (KH, KW, C, F) = stride, pad, w.shape
    padded = np.pad(x, ((0, 0), (2 * PH, 0), (2 * PW, 0), (0, 0)), constant_values=pad_value)
    view = np.lib.stride_tricks.sliding_window_view(padded, (KH, KW), axis=(1, 2))[:, ::SH, ::SW]
    columns = view.transpose(0, 1, 2, 4, 5, 3).reshape(-1, KH * KW * C)
    return (columns @ w.reshape(-1, F)).reshape(*view.shape[:3], F)


# %% exercise="binary_conv2d" cause="convolves latent weights, not their signs"
def scaled_conv(x, w, alpha, *, stride, pad, pad_value):
    return conv2d(x, w, stride=stride, pad=pad, pad_value=pad_value)[0] * alpha


# %% exercise="binary_conv2d" cause="padding read as 0: a third value"
def scaled_conv(x, w, alpha, *, stride, pad, pad_value):
    return conv2d(x, sign(w), stride=stride, pad=pad)[0] * alpha


# %% exercise="binary_conv2d" cause="forgets the scale"
def scaled_conv(x, w, alpha, *, stride, pad, pad_value):
    return conv2d(x, sign(w), stride=stride, pad=pad, pad_value=pad_value)[0]


# %% exercise="binary_conv2d" cause="computes the scale anew from the weights, whatever was given"
def scaled_conv(x, w, alpha, *, stride, pad, pad_value):
    alpha, _ = mean_abs(w)
    return conv2d(x, sign(w), stride=stride, pad=pad, pad_value=pad_value)[0] * alpha


# %% exercise="zero_padding" cause="padding read as +1: words of zeros, and no correction"
def conv_padded_with_0(x, w, C, *, stride, pad):
    wide = np.pad(x, ((0, 0), (pad[0], pad[0]), (pad[1], pad[1]), (0, 0)))
    return conv2d_packed(wide, w, C, pad_value=1, stride=stride)


# %% exercise="zero_padding" cause="leaves out the taps beyond the border, but counts them in n"
def conv_padded_with_0(x, w, C, *, stride, pad):
    z = conv2d_packed(x, w, C, pad_value=1, stride=stride, pad=pad)
    kernel = -2.0 * np.bitwise_count(w).sum(axis=-1).transpose(1, 2, 0)[:, :, None]
    added, _ = conv2d(np.zeros((1, *x.shape[1:3], 1)), kernel, stride=stride, pad=pad, pad_value=1.0)
    return z - added.astype(np.int32)


# %% exercise="zero_padding" cause="padding read as -1"
def conv_padded_with_0(x, w, C, *, stride, pad):
    z = conv2d_packed(x, w, C, pad_value=1, stride=stride, pad=pad)
    kernel = C - 2.0 * np.bitwise_count(w).sum(axis=-1).transpose(1, 2, 0)[:, :, None]
    added, _ = conv2d(np.zeros((1, *x.shape[1:3], 1)), kernel, stride=stride, pad=pad, pad_value=1.0)
    return z - 2 * added.astype(np.int32)


# %% exercise="zero_padding" cause="ignores the stride"
def conv_padded_with_0(x, w, C, *, stride, pad):
    z = conv2d_packed(x, w, C, pad_value=1, pad=pad)
    kernel = C - 2.0 * np.bitwise_count(w).sum(axis=-1).transpose(1, 2, 0)[:, :, None]
    added, _ = conv2d(np.zeros((1, *x.shape[1:3], 1)), kernel, pad=pad, pad_value=1.0)
    return z - added.astype(np.int32)
