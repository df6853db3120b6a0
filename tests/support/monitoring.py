"""The alert rules and the dashboard: their expressions, and the metrics that these name."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml

FOLDER = Path(__file__).parents[2] / "containers" / "monitoring"
RULES = FOLDER / "alerts.yaml"


def alerts() -> dict[str, str]:
    """Name of each alert → expression."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule["expr"] for group in groups for rule in group["rules"]}


def panels() -> dict[str, str]:
    """Title of each panel and letter of its query → expression, with Grafana's variable filled in."""
    found = json.loads((FOLDER / "dashboard.json").read_text())["panels"]
    return {
        f"{panel['title']} {target['refId']}": target["expr"].replace("$__rate_interval", "1m")
        for panel in found
        for target in panel["targets"]
    }


def series(expression: str) -> set[tuple[str, frozenset[str]]]:
    """(metric, labels by which it is chosen) of each series that the expression names."""
    found = re.findall(r"\b(arpent_\w+)(?:\{(.*?)\})?(?=[\[\s)]|$)", expression)
    return {(name, frozenset(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", chosen))) for name, chosen in found}


def grouped(expression: str) -> set[str]:
    """Labels by which it groups."""
    return {label.strip() for labels in re.findall(r"\bby \((.*?)\)", expression) for label in labels.split(",")}
