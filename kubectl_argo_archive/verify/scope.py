"""What ``verify`` is asked to look at, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from kubectl_argo_archive.checks.finding import Report
from kubectl_argo_archive.cluster.access import KubeOptions
from kubectl_argo_archive.config import Config


@dataclass(frozen=True)
class Scope:
    """What to look at; what is None is found out or left out.

    Attributes:
        kube: the cluster, None for no cluster.
        source: a database of its own instead of the controller's.
        lake: the lake's location.
        config: the configuration file.
        namespaces: of workflows; empty for all.
        timeout: seconds for everything together.
        write_probes: put and remove a probe object in each bucket.
        canary: submit a workflow and wait for it.
        canary_timeout: seconds that the canary may take.
    """

    kube: KubeOptions | None = None
    source: str | None = field(default=None, repr=False)
    lake: str | None = None
    config: Config = field(default_factory=Config)
    namespaces: tuple[str, ...] = ()
    timeout: float = 60.0
    write_probes: bool = True
    canary: bool = False
    canary_timeout: float = 120.0

    @property
    def statement_timeout(self) -> float:
        """Seconds that one question to the database may take."""
        return max(1.0, min(10.0, self.timeout / 3))

    @property
    def connect_timeout(self) -> int:
        """Seconds to wait for one server."""
        return max(2, min(5, int(self.timeout / 4)))


@dataclass(frozen=True)
class Verified:
    """The report, and whether anything answered.

    Attributes:
        report: all findings.
        unreachable: why there is nothing to report on: the API, or all that was asked, did not answer; else empty.
        hint: what to do about it.
    """

    report: Report
    unreachable: str = ""
    hint: str = ""
