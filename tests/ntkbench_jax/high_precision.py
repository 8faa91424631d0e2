"""The recursion of the kernels in as many digits as asked, independent of the package under test (mpmath)."""

from mpmath import mp, mpf, quad, sqrt

DIGITS = 45


def closed_form(activation, q1, q2, k):
    """E[phi(u) phi(v)] and E[phi'(u) phi'(v)]: Cho and Saul 2009 (relu), Williams 1997 (erf)."""
    if activation == "erf":
        product = (1 + 2 * q1) * (1 + 2 * q2)
        return 2 / mp.pi * mp.asin(2 * k / sqrt(product)), 4 / mp.pi / sqrt(product - 4 * k * k)
    norm = sqrt(q1 * q2)
    if norm == 0:
        return mpf(0), mpf(1) / 2
    cosine = max(min(k / norm, mpf(1)), mpf(-1))
    supplement = mp.pi - mp.acos(cosine)
    value = norm / (2 * mp.pi) * (sqrt(1 - cosine * cosine) + supplement * cosine)
    return value, supplement / (2 * mp.pi)


def integral(activation, q1, q2, k):
    """The same two expectations by quadrature over the plane, relu in polar coordinates between its kinks."""
    return (_relu_integral if activation == "relu" else _erf_integral)(q1, q2, k)


def _erf_integral(q1, q2, k):
    """The trapezoidal rule, which converges faster than any power for entire functions under a Gaussian."""
    slope, rest, nodes = k / sqrt(q1), sqrt(q2 - k * k / q1), [mpf(i) / 5 for i in range(-55, 56)]
    value = gradient = mpf(0)
    for a in nodes:
        u, weight = sqrt(q1) * a, mp.npdf(a) / 25
        row = [(slope * a + rest * b, mp.npdf(b)) for b in nodes]
        value += weight * mp.erf(u) * sum(mp.erf(v) * density for v, density in row)
        gradient += weight * mp.exp(-u * u) * sum(mp.exp(-v * v) * density for v, density in row)
    return value, 4 / mp.pi * gradient


def _relu_integral(q1, q2, k):
    """Over u = sqrt(q1) r cos s and v = r (k cos s / sqrt(q1) + rest sin s), both positive between two angles."""
    slope, rest = k / sqrt(q1), sqrt(q2 - k * k / q1)
    low, high = max(-mp.pi / 2, mp.atan2(-slope, rest)), mp.pi / 2
    radial = quad(lambda r: r**3 * mp.exp(-r * r / 2), [0, 4, 8, 20])
    angular = quad(lambda s: sqrt(q1) * mp.cos(s) * (slope * mp.cos(s) + rest * mp.sin(s)), [low, high])
    return radial * angular / (2 * mp.pi), (high - low) / (2 * mp.pi)


def kernels(x, y, activation, depth, weight_std, bias_std, expectation=closed_form, digits=DIGITS):
    """K(x,y), Theta(x,y), sqrt(K(x,x) K(y,y)), sqrt(Theta(x,x) Theta(y,y)) of two float64 vectors, exactly as given."""
    with mp.workdps(digits):
        x, y = ([mpf(float(value)) for value in vector] for vector in (x, y))
        weight, bias = mpf(float(weight_std)) ** 2, mpf(float(bias_std)) ** 2

        def affine(a, b):
            return weight * sum(p * q for p, q in zip(a, b, strict=True)) / len(a) + bias

        nngp = [affine(x, x), affine(y, y), affine(x, y)]
        ntk = list(nngp)
        for _ in range(depth):
            q1, q2, k = nngp
            duals = [closed_form(activation, q, q, q) for q in (q1, q2)] + [expectation(activation, q1, q2, k)]
            nngp = [weight * value + bias for value, _ in duals]
            ntk = [new + weight * old * slope for new, old, (_, slope) in zip(nngp, ntk, duals, strict=True)]
        return nngp[2], ntk[2], sqrt(nngp[0] * nngp[1]), sqrt(ntk[0] * ntk[1])
