"""Networks trained and linearized plainly, in parameter space: what observables are held against."""

import plain_network as plain
import torch


def flattened(parameters):
    return torch.cat([tensor.flatten() for layer in parameters for tensor in layer])


def split(vector, like):
    """The layers [(W, b), ...] whose numbers a vector holds."""
    layers, position = [], 0
    for weights, bias in like:
        parts = []
        for tensor in (weights, bias):
            parts.append(vector[position : position + tensor.numel()].view(tensor.shape))
            position += tensor.numel()
        layers.append(tuple(parts))
    return layers


def jacobian(architecture, parameters, x):
    """(n, O, P) at given parameters."""
    return torch.func.jacrev(lambda v: plain.output(architecture, split(v, parameters), x))(flattened(parameters))


def descent(vector, gradient, learning_rate, steps, optimizer, momentum, mask):
    """Parameters before every step and after the last, by torch.optim."""
    leaf = vector.clone().requires_grad_()
    options = {"momentum": momentum, "nesterov": optimizer == "nesterov"} if momentum else {}
    sgd, found = torch.optim.SGD([leaf], lr=learning_rate, **options), [vector.clone()]
    for _ in range(steps):
        leaf.grad = gradient(leaf.detach()) * mask
        sgd.step()
        found.append(leaf.detach().clone())
    return found


class Member:
    """One member as the documents say, with ``alpha h``, or ``alpha (h - h_0)``, trained at rate / alpha^2."""

    def __init__(self, architecture, layers, seed, member, *, scale=1.0, subtract_init=False, last_alone=False):
        self.architecture, self.scale = architecture, scale
        self.drawn = plain.drawn(architecture, layers, seed, member)
        self.start = flattened(self.drawn)
        self.mask = torch.ones_like(self.start)
        if last_alone:
            self.mask[: -self.drawn[-1][0].numel() - self.drawn[-1][1].numel()] = 0
        self.subtract_init = subtract_init

    def function(self, vector, x):
        value = self.scale * plain.output(self.architecture, split(vector, self.drawn), x)
        return value - self.function_at_start(x) if self.subtract_init else value

    def function_at_start(self, x):
        return self.scale * plain.output(self.architecture, self.drawn, x)

    def jacobian(self, vector, x):
        """Of h, untrained parameters left out: (n, O, P)."""
        return jacobian(self.architecture, split(vector, self.drawn), x) * self.mask

    def kernel(self, vector, x):
        """What training follows, (n O, n O), points first and the outputs of each within."""
        flat = self.jacobian(vector, x).flatten(0, 1)
        return flat @ flat.T

    def trained(self, x, y, learning_rate, steps, optimizer="gradient-descent", momentum=0.0):
        def gradient(vector):
            residual = self.function(vector, x) - y
            jacobian = self.scale * self.jacobian(vector, x)
            return torch.einsum("io,iop->p", residual, jacobian) / len(x)

        rate = learning_rate / self.scale**2
        return descent(self.start, gradient, rate, steps, optimizer, momentum, self.mask)

    def linearized(self, x, y, others, learning_rate, steps, optimizer="gradient-descent", momentum=0.0):
        """Outputs of f_0 + J (theta - theta_0) on points ``others``, one (n, O) for every step."""
        slope, slope_there = (self.scale * self.jacobian(self.start, points) for points in (x, others))
        initial, initial_there = (self.function(self.start, points) for points in (x, others))

        def gradient(vector):
            residual = initial + slope @ (vector - self.start) - y
            return torch.einsum("io,iop->p", residual, slope) / len(x)

        rate = learning_rate / self.scale**2
        path = descent(self.start, gradient, rate, steps, optimizer, momentum, self.mask)
        return [initial_there + slope_there @ (vector - self.start) for vector in path]
