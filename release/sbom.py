"""Software bill of materials: `python release/sbom.py PYTHON FILE` writes CycloneDX JSON of what is installed beside
a Python, by cyclonedx-bom, and of the npm packages that lie in the page."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).resolve().parents[1] / "web" / "package-lock.json"


def npm_components() -> list[dict[str, object]]:
    """The components of the page as CycloneDX has them."""
    packages = json.loads(LOCK.read_text())["packages"]
    found: list[dict[str, object]] = []
    for path, entry in sorted(packages.items()):
        if not path or entry.get("dev") or entry.get("devOptional"):
            continue
        name = path.rpartition("node_modules/")[2]
        url = f"pkg:npm/{name.replace('@', '%40')}@{entry['version']}"
        component = {"type": "library", "bom-ref": url, "name": name, "version": entry["version"], "purl": url}
        if "license" in entry:
            component["licenses"] = [{"expression": entry["license"]}]
        found.append(component)
    return found


def main(python: str, target: Path) -> None:
    """Write the file. Raises CalledProcessError if cyclonedx-bom refuses."""
    command = [sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible", "--of", "JSON", python]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    told["components"] += npm_components()
    target.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    print(f"{target}: {len(told['components'])} components")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
