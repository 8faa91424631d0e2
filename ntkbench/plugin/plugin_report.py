"""The result of loading one plugin."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PluginReport:
    """The result of loading one plugin: ``status`` is ``ok``, ``broken`` or ``disabled``.

    ``note`` is something else worth knowing, such as that it printed while it was loaded.
    """

    name: str
    source: str
    version: str
    status: str
    reason: str = ""
    note: str = ""

    def sentences(self) -> list[str]:
        """Return what a user must know: that the plugin is set aside, and why; its note."""
        who = f'plugin "{self.name}" ({self.source})'
        aside = [f"{who} is set aside: {self.reason}"] if self.status == "broken" else []
        return aside + ([f"{who} {self.note}"] if self.note else [])
