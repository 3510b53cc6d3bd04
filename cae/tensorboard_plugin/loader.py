"""The tab's loader, which TensorBoard finds by this package's entry point or by `cae tensorboard`."""

from __future__ import annotations

import argparse
from typing import Any

from tensorboard.plugins import base_plugin

from cae.runs.probe_images import PLUGIN_NAME


class Loader(base_plugin.TBLoader):
    """Loads the tab.

    Args:
        always_active: show the tab before there is anything to show in it.
    """

    def __init__(self, *, always_active: bool = False) -> None:
        self._always_active = always_active

    def fix_flags(self, flags: argparse.Namespace) -> None:
        """Have TensorBoard keep every step's pictures unless its user says otherwise; it would keep ten."""
        flags.samples_per_plugin = {PLUGIN_NAME: 0, **(flags.samples_per_plugin or {})}

    def load(self, context: base_plugin.TBContext) -> Any:
        from cae.tensorboard_plugin.plugin import DecodersPlugin

        if context.data_provider is None:
            return None
        return DecodersPlugin(context, always_active=self._always_active)
