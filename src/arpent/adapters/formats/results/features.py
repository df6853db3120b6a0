"""Features: what the analysis wrote about the features of a job, which does not change while the job runs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from arpent.adapters.formats.results.layer import FeatureLayer
from arpent.adapters.formats.results.tables import JobTables
from arpent.domain.finding import Finding, Verdict

FLAGS = {Verdict.WARNING: 1, Verdict.FAILED: 2}
"""Verdict → its number on the map; 0 means no finding."""


class JobFeatures:
    """The features of one job after its analysis. Each property raises InvalidRequest if there is no features file."""

    def __init__(self, tables: JobTables) -> None:
        self.tables = tables

    @cached_property
    def layer(self) -> FeatureLayer:
        """The features for the map."""
        return self.tables.layer()

    @cached_property
    def findings(self) -> Mapping[int, list[Finding]]:
        """What the analysis found, by feature."""
        return self.tables.findings()

    @cached_property
    def verdicts(self) -> NDArray[np.int64]:
        """(n,): 0, 1 (a warning) or 2 (failed)."""
        worst = {
            feature: max(FLAGS.get(finding.verdict, 0) for finding in findings)
            for feature, findings in self.findings.items()
        }
        flagged = np.zeros(len(self.layer.ids), np.int64)
        if worst:
            places, known = places_of(self.layer.ids, np.array(list(worst), np.int64))
            flagged[places[known]] = np.array(list(worst.values()))[known]
        return flagged


def places_of(ids: NDArray[np.int64], wanted: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """The index of each wanted id in `ids`, and whether it was found."""
    order = np.argsort(ids, kind="stable")
    at = np.minimum(np.searchsorted(ids, wanted, sorter=order), max(0, len(ids) - 1))
    places = order[at] if len(ids) else np.zeros(len(wanted), np.intp)
    return places, (ids[places] == wanted) if len(ids) else np.zeros(len(wanted), bool)
