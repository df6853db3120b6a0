"""The wheel's build makes the page first; without Node the wheel has none, unless BUILD_PAGE=required."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PageHook(BuildHookInterface):  # type: ignore[type-arg]
    """Builds the page where its sources are; a wheel from an sdist takes the built files that lie in it."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Runs before files are gathered; an editable install is left alone: `make page` builds there."""
        script = Path(self.root) / "web" / "build.py"
        if version == "editable" or not script.is_file():
            return
        spec = importlib.util.spec_from_file_location("arpent_page_build", script)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        if module.main(["--optional"] if os.environ.get("BUILD_PAGE") != "required" else []):
            raise RuntimeError("The page cannot be built, and BUILD_PAGE is `required`.")
