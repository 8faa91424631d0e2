"""Random features (docs/theory.md, C11): linear models in P random functions, whose kernel approximates a given one.

``F_lin = P^-1/2 sum_p theta_p f_p`` with ``theta_0 ~ N(0, Id)`` (Jacot et al. 2018, section 3.1): gradient descent on
it is kernel descent with ``K~ = 1/P sum_p f_p (x) f_p``, step for step.
"""
