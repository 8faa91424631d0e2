"""What every estimate can state: its value, where it comes from, and its interval at any confidence."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

CONFIDENCE = 0.95
REJECTED = 0.01
"""A model is rejected below this p-value of its lack of fit."""


@dataclass(frozen=True, kw_only=True)
class Fit(ABC):
    """An estimate.

    :param estimate: nan if there is none.
    :param n_widths: the points on the axis that it uses.
    :param n_members: the fewest members at any of these points.
    :param method: the method of estimation, in words.
    :param lack_of_fit: the p-value of the model; None if it was not tested.
    :param remarks: what was left out, and why.
    """

    estimate: float
    n_widths: int
    n_members: int
    method: str
    lack_of_fit: float | None = None
    remarks: tuple[str, ...] = ()

    @property
    def rejected(self) -> bool:
        """Whether the data reject the model, so that its estimate describes nothing."""
        return self.lack_of_fit is not None and self.lack_of_fit < REJECTED

    @property
    def at_hand(self) -> Fit:
        """The same number of the data sets at hand: other ones are not spoken for. Of one seed, the fit itself."""
        return self

    @property
    def words(self) -> str:
        """The method, whether the data reject it, and the remarks."""
        doubt = [f"the data are not of this form (p = {self.lack_of_fit:.1g})"] if self.rejected else []
        return "; ".join([self.method, *doubt, *self.remarks])

    @abstractmethod
    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Two-sided interval: infinite ends where data set no limit, NaN where they say nothing."""

    def limits(self, error: float) -> tuple[float, float]:
        """Return one-sided limits, each of which misses the truth with probability ``error`` at most."""
        return self.interval(1 - 2 * error)
