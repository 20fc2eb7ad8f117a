"""The default network as one would write it in PyTorch: the same layers, parameters and surrogate, eager.

A witness from outside, and what the training step is timed against. Status: ours.
"""

import torch
import torch.nn.functional as F

from tinybnn.model import net


class Sign(torch.autograd.Function):
    """+1 where x >= 0, else -1; backwards through Bi-Real Net's polynomial, 2 - 2|x|."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.where(x >= 0, x.new_tensor(1.0), x.new_tensor(-1.0))

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy * (2 - 2 * x.abs().clamp(max=1))


def channels(v):
    return v.view(1, -1, 1, 1)


class Net:
    """Parameters by tinybnn's names; weights as OIHW, branch by branch, in the memory format asked for."""

    def __init__(self, params, state, config, memory_format):
        self.config, self.memory_format, self.p = config, memory_format, {}
        for key, value in params.items():
            tensor = torch.from_numpy(value.copy())
            if key.endswith(".w") and tensor.ndim == 5:
                for r, branch in enumerate(tensor):
                    self.p[f"{key}{r}"] = self._weights(branch)
            else:
                self.p[key] = self._weights(tensor) if key.endswith(".w") else tensor.requires_grad_()
        self.state = {k: torch.from_numpy(v.copy()) for k, v in state.items()}

    def _weights(self, w):
        return w.permute(3, 2, 0, 1).contiguous(memory_format=self.memory_format).requires_grad_()

    def norm(self, x, name):
        p, s = self.p, self.state
        statistics = s[f"{name}.mean"], s[f"{name}.var"], p[f"{name}.gamma"], p[f"{name}.beta"]
        return F.batch_norm(x, *statistics, training=True, momentum=0.1, eps=1e-5)

    def rprelu(self, x, name):
        p = self.p
        return F.prelu(x - channels(p[f"{name}.shift_in"]), p[f"{name}.slope"]) + channels(p[f"{name}.shift_out"])

    def binary_conv(self, x, tau, w, alpha, stride=1, pad=1):
        s = Sign.apply(x - channels(tau))
        s = F.pad(s, (pad,) * 4, value=1.0) if pad else s
        return F.conv2d(s, Sign.apply(w), stride=stride) * channels(alpha)

    def attention(self, x):
        p, A, (N, C, H, W) = self.p, self.config.heads, x.shape
        z = self.norm(self.binary_conv(x, p["att.tau"], p["att.w"], p["att.alpha"], pad=0), "att.qkv")
        q, k, v = z.chunk(3, 1)

        def pool(t):
            return torch.cat([F.adaptive_avg_pool2d(t, level).flatten(2) for level in self.config.levels], 2)

        def heads(t):
            return t.reshape(N, A, C // A, -1)

        signs, pooled = Sign.apply(heads(q)), heads(pool(v))
        factor = p["att.scale_position"].view(1, A, 1, 1) / (C // A) ** 0.5
        position = (signs.transpose(2, 3) @ Sign.apply(heads(pool(k))) * factor).softmax(-1) @ pooled.transpose(2, 3)
        factor = p["att.scale_channel"].view(1, A, 1, 1) / (H * W) ** 0.5
        channel = (signs @ Sign.apply(heads(k)).transpose(2, 3) * factor).softmax(-1) @ heads(v)
        a = (position.transpose(2, 3) + channel).reshape(N, C, H, W).contiguous(memory_format=self.memory_format)
        return x + self.norm(a, "att.out")

    def forward(self, x):
        p, config = self.p, self.config
        x = self.rprelu(self.norm(F.conv2d(x - 0.5, p["stem.w"], stride=2, padding=1), "stem"), "stem")
        for name, C, filters, stride in net.encoder(config):
            parameters = p[f"{name}.tau"], p[f"{name}.w"], p[f"{name}.alpha"]
            z = self.norm(self.binary_conv(x, *parameters, stride), name)
            shortcut = F.avg_pool2d(x, 2) if stride == 2 else x
            x = self.rprelu(z + torch.cat([shortcut] * (filters // C), 1), name)
        x = self.attention(x)
        for name, *_ in net.decoder(config):
            u, gates, y = F.interpolate(x, scale_factor=2, mode="nearest"), torch.sigmoid(p[f"{name}.theta"]), 0
            for r in range(config.branches):
                branch = self.binary_conv(u, p[f"{name}.tau"][r], p[f"{name}.w{r}"], p[f"{name}.alpha"][r])
                y = y + channels(gates[r]) * branch
            x = self.rprelu(self.norm(y, name), name)
        return F.conv2d(x, p["head.w"], p["head.b"])
