"""Which release of Argo the Helm chart argo-workflows installs; read from the history of its ``Chart.yaml``."""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

_FIRST: Final = """
    0.1.0=v3.0.2 0.2.6=v3.0.7 0.4.0=v3.1.5 0.4.2=v3.1.8 0.7.3=v3.2.0 0.8.3=v3.2.4 0.9.4=v3.2.6 0.10.1=v3.2.7
    0.11.2=v3.2.9 0.14.0=v3.3.2 0.15.2=v3.3.5 0.16.1=v3.3.6 0.16.5=v3.3.7 0.16.6=v3.3.8 0.16.9=v3.3.9
    0.18.0=v3.4.0 0.20.1=v3.4.1 0.20.3=v3.4.2 0.20.6=v3.4.3 0.20.12=v3.4.4 0.22.10=v3.4.5 0.22.16=v3.4.6
    0.23.2=v3.4.7 0.28.2=v3.4.8 0.32.0=v3.4.9 0.32.3=v3.4.10 0.33.2=v3.4.11 0.35.0=v3.5.0 0.38.0=v3.5.1
    0.39.5=v3.5.2 0.40.5=v3.5.3 0.40.6=v3.5.4 0.40.12=v3.5.5 0.41.2=v3.5.6 0.41.7=v3.5.7 0.41.10=v3.5.8
    0.41.12=v3.5.9 0.41.13=v3.5.10 0.42.3=v3.5.11 0.42.6=v3.5.12 0.43.0=v3.6.0 0.45.1=v3.6.2 0.45.5=v3.6.3
    0.45.6=v3.6.4 0.45.11=v3.6.5 0.45.13=v3.6.7 0.45.16=v3.6.10 0.45.21=v3.7.0 0.45.22=v3.7.1 0.45.24=v3.7.2
    0.45.27=v3.7.3 0.45.28=v3.7.4 0.46.2=v3.7.6 0.46.4=v3.7.7 0.47.1=v3.7.8 0.47.2=v3.7.9 0.47.4=v3.7.10
    0.47.5=v3.7.11 1.0.0=v4.0.2 1.0.5=v4.0.3 1.0.7=v4.0.4 1.0.12=v4.0.5 1.0.15=v4.0.6
"""
"""The first version of the chart with a release of Argo; up to the last one that was looked at."""
_LAST: Final = (1, 0, 18)

_TABLE: Final = [
    (tuple(int(part) for part in chart.split(".")), app)
    for chart, _, app in (word.partition("=") for word in _FIRST.split())
]


def app_version(chart: str | None) -> str | None:
    """The release of Argo in a version of the chart; None if it is not said exactly, or too new to be known here."""
    parts = (chart or "").removeprefix("v").split(".")
    if len(parts) != 3 or not all(part.isascii() and part.isdecimal() for part in parts):
        return None
    version = tuple(int(part) for part in parts)
    index = bisect_right(_TABLE, version, key=lambda row: row[0])
    return _TABLE[index - 1][1] if index and version <= _LAST else None
