"""Steps of torch's optimisers as pure functions, and their elementwise Jacobians.

A step maps ``(state, gradient) -> state`` where ``state = (parameters, *slots)`` and
all are flat vectors, or stacks of them. Every step here works element by element, so
that its Jacobian is one coefficient (a number or a vector) per pair of output and
input, and serves forwards (`push`) and backwards (`pull`) alike.

The operations are those of ``torch.optim`` in the same order, so that results agree
bit for bit.
"""

import torch


def _axpy(x, y, a):
    """Return x + a y, fused as in torch's optimisers unless ``a`` is a vector."""
    return x + a * y if isinstance(a, torch.Tensor) else x.add(y, alpha=a)


def is_number(value, number):
    """Tell whether a setting or a coefficient is this number, not a vector."""
    return not isinstance(value, torch.Tensor) and value == number


class SGD:
    """Stochastic gradient descent: momentum, dampening, Nesterov, weight decay."""

    fixed = ("nesterov", "maximize")
    numbers = ("lr", "momentum", "dampening", "weight_decay")
    linear = True  # the Jacobian does not depend on the gradient

    def __init__(self, settings):
        self.nesterov = settings["nesterov"]
        momentum = settings["momentum"]
        self.slots = () if is_number(momentum, 0) else ("momentum_buffer",)

    def step(self, state, gradient, s, k):
        """Return the state after step ``k`` (from zero) with settings ``s``."""
        theta = state[0]
        if not is_number(s["weight_decay"], 0):
            gradient = _axpy(gradient, theta, s["weight_decay"])
        if not self.slots:
            return (_axpy(theta, gradient, -s["lr"]),)
        mu = s["momentum"]
        buffer = gradient
        if k > 0:
            buffer = _axpy(state[1] * mu, gradient, 1 - s["dampening"])
        move = _axpy(gradient, buffer, mu) if self.nesterov else buffer
        return _axpy(theta, move, -s["lr"]), buffer

    def jacobian(self, state, gradient, s, k, frozen=False):
        """Return ``{(output, input): coefficient}``; the last input is the gradient."""
        lr, decay = s["lr"], s["weight_decay"]
        if not self.slots:
            return {(0, 0): 1 - lr * decay, (0, 1): -lr}
        mu, a = s["momentum"], 1 - s["dampening"] if k > 0 else 1.0
        keep = mu if k > 0 else 0.0
        by_gradient = 1 + mu * a if self.nesterov else a
        by_buffer = mu * keep if self.nesterov else keep
        return {
            (0, 0): 1 - lr * decay * by_gradient,
            (0, 1): -lr * by_buffer,
            (0, 2): -lr * by_gradient,
            (1, 0): a * decay,
            (1, 1): keep,
            (1, 2): a,
        }


class Adam:
    """Adam; its weight decay is part of the gradient."""

    fixed = ("amsgrad", "maximize")
    numbers = ("lr", "betas", "eps", "weight_decay")
    slots = ("exp_avg", "exp_avg_sq")
    linear = False
    decoupled = False

    def __init__(self, settings):
        self.decoupled = settings.get("decoupled_weight_decay", self.decoupled)

    def _after(self, state, gradient, s, k):
        theta, m, v = state
        beta1, beta2 = s["betas"]
        if not is_number(s["weight_decay"], 0):
            if self.decoupled:
                theta = theta * (1 - s["lr"] * s["weight_decay"])
            else:
                gradient = _axpy(gradient, theta, s["weight_decay"])
        m = m.lerp(gradient, 1 - beta1)
        v = (v * beta2).addcmul(gradient, gradient, value=1 - beta2)
        size = s["lr"] / (1 - beta1 ** (k + 1))
        scale = (1 - beta2 ** (k + 1)) ** 0.5
        root = v.sqrt()
        return theta, m, v, gradient, size, scale, root, (root / scale).add(s["eps"])

    def step(self, state, gradient, s, k):
        """Return the state after step ``k`` (from zero) with settings ``s``."""
        theta, m, v, _, size, _, _, denominator = self._after(state, gradient, s, k)
        if isinstance(size, torch.Tensor):
            return theta - size * (m / denominator), m, v
        return theta.addcdiv(m, denominator, value=-size), m, v

    def jacobian(self, state, gradient, s, k, frozen=False):
        """Return ``{(output, input): coefficient}``; the last input is the gradient.

        ``frozen``: treat the preconditioner as constant.
        """
        _, m, _, total, size, scale, root, denominator = self._after(
            state, gradient, s, k
        )
        beta1, beta2 = s["betas"]
        by_m = -size / denominator
        out = {(1, 1): beta1, (1, 3): 1 - beta1, (2, 2): beta2, (2, 3): 0.0}
        by_v = 0.0
        if not frozen:
            # A parameter whose gradients are all 0 has v = 0: its slope is 0, not NaN.
            safe = torch.where(root > 0, root, torch.inf)
            by_v = size * m / (denominator**2 * (2 * scale) * safe)
            out[2, 3] = 2 * (1 - beta2) * total
        out[0, 1] = by_m * beta1
        out[0, 2] = by_v * beta2
        out[0, 3] = by_m * (1 - beta1) + by_v * out[2, 3]
        out[0, 0] = 1.0
        if self.decoupled:
            out[0, 0] = 1 - s["lr"] * s["weight_decay"]
        elif not is_number(s["weight_decay"], 0):
            for j in range(3):
                out[j, 0] = out.get((j, 0), 0.0) + s["weight_decay"] * out[j, 3]
        return out


class AdamW(Adam):
    """Adam with decoupled weight decay."""

    decoupled = True


class RMSprop:
    """RMSprop, with momentum and weight decay, not centred."""

    fixed = ("centered", "maximize")
    numbers = ("lr", "alpha", "eps", "weight_decay", "momentum")
    linear = False

    def __init__(self, settings):
        momentum = settings["momentum"]
        self.slots = ("square_avg",)
        if not is_number(momentum, 0):
            self.slots += ("momentum_buffer",)

    def step(self, state, gradient, s, k):
        """Return the state after step ``k`` (from zero) with settings ``s``."""
        theta, alpha = state[0], s["alpha"]
        if not is_number(s["weight_decay"], 0):
            gradient = _axpy(gradient, theta, s["weight_decay"])
        v = (state[1] * alpha).addcmul(gradient, gradient, value=1 - alpha)
        average = v.sqrt().add(s["eps"])
        if len(self.slots) == 2:
            buffer = (state[2] * s["momentum"]).addcdiv(gradient, average)
            return _axpy(theta, buffer, -s["lr"]), v, buffer
        if isinstance(s["lr"], torch.Tensor):
            return theta - s["lr"] * (gradient / average), v
        return theta.addcdiv(gradient, average, value=-s["lr"]), v

    def jacobian(self, state, gradient, s, k, frozen=False):
        """Return ``{(output, input): coefficient}``, as `Adam.jacobian`."""
        theta, alpha, lr = state[0], s["alpha"], s["lr"]
        total = gradient + s["weight_decay"] * theta
        root = (alpha * state[1] + (1 - alpha) * total**2).sqrt()
        average = root + s["eps"]
        g = len(self.slots) + 1
        out = {(1, 1): alpha, (1, g): 0.0}
        by_v = 0.0
        if not frozen:
            safe = torch.where(root > 0, root, torch.inf)
            by_v = -total / (average**2 * 2 * safe)
            out[1, g] = 2 * (1 - alpha) * total
        by_gradient = 1 / average + by_v * out[1, g]
        if len(self.slots) == 2:
            mu = s["momentum"]
            out |= {(2, 1): by_v * alpha, (2, 2): mu, (2, g): by_gradient}
            out[0, 2] = -lr * mu
        out |= {(0, 0): 1.0, (0, 1): -lr * by_v * alpha, (0, g): -lr * by_gradient}
        if not is_number(s["weight_decay"], 0):
            for j in range(g):
                out[j, 0] = out.get((j, 0), 0.0) + s["weight_decay"] * out[j, g]
        return out


REPLAYABLE = {
    torch.optim.SGD: SGD,
    torch.optim.Adam: Adam,
    torch.optim.AdamW: AdamW,
    torch.optim.RMSprop: RMSprop,
}


def replayable(optimiser):
    """Return a torch optimiser as pure functions; raise if it is not supported."""
    name = type(optimiser).__name__
    if type(optimiser) not in REPLAYABLE:
        known = ", ".join(sorted(cls.__name__ for cls in REPLAYABLE))
        raise TypeError(
            f"The net's 'optimizer' must be one whose steps can be replayed: {known}. "
            f"Got {name}."
        )
    kind = REPLAYABLE[type(optimiser)]
    for flag in kind.fixed:
        values = {group[flag] for group in optimiser.param_groups}
        if len(values) > 1 or (flag != "nesterov" and values != {False}):
            raise TypeError(
                f"{name} with {flag}={sorted(values)} cannot be replayed: set "
                f"optimizer__{flag}=False for all groups of parameters."
            )
    groups = optimiser.param_groups
    for setting in kind.numbers:
        values = [group[setting] for group in groups]
        if setting not in ("lr", "weight_decay", "momentum") and len(set(values)) > 1:
            raise TypeError(
                f"Groups of parameters with different {setting!r} cannot be replayed. "
                f"Got {values}: give all groups one value."
            )
    settings = dict(groups[0])
    if any(group.get("momentum", 0) for group in groups):
        settings["momentum"] = max(group["momentum"] for group in groups)
    return kind(settings)


def _scaled(total, coefficient, term):
    """Return total + coefficient * term, where None means zero."""
    if term is None or is_number(coefficient, 0):
        return total
    if not is_number(coefficient, 1):
        term = coefficient * term
    return term if total is None else total + term


def pull(jacobian, cotangents):
    """Cotangents of (state, gradient) before a step from those of the state after."""
    n = len(cotangents)
    out = [None] * (n + 1)
    for (j, i), coefficient in jacobian.items():
        out[i] = _scaled(out[i], coefficient, cotangents[j])
    return tuple(out[:n]), out[n]


def push(jacobian, tangents, gradient):
    """Tangents of the state after a step from those of (state, gradient) before."""
    before = (*tangents, gradient)
    out = [None] * len(tangents)
    for (j, i), coefficient in jacobian.items():
        out[j] = _scaled(out[j], coefficient, before[i])
    return tuple(out)


def clip(gradient, max_norm):
    """Clip a gradient as ``torch.nn.utils.clip_grad_norm_``; return it and the factor.

    ``gradient``: flat, or a stack of flat gradients, each clipped on its own.
    """
    norm = torch.linalg.vector_norm(gradient, dim=-1, keepdim=True)
    factor = (max_norm / (norm + 1e-6)).clamp(max=1.0)
    return gradient * factor, factor


def clip_product(gradient, vectors, max_norm):
    """Multiply vectors by the Jacobian of `clip` at ``gradient``; it is symmetric."""
    norm = torch.linalg.vector_norm(gradient)
    factor = max_norm / (norm + 1e-6)
    # Without a comparison in Python, for which a device would have to be waited for.
    inverse = torch.where(factor < 1, 1 / (norm * (norm + 1e-6)), 0.0)
    along = (vectors @ gradient)[..., None] * (gradient * inverse)
    return factor.clamp(max=1.0) * (vectors - along)
