"""``verify`` on one screen: gather the facts, run the checks, say what did not answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from kubectl_argo_archive.checks.check import Check, Need
from kubectl_argo_archive.checks.finding import Report
from kubectl_argo_archive.checks.registry import CHECKS
from kubectl_argo_archive.checks.run import run_checks
from kubectl_argo_archive.cluster.forward import Tell
from kubectl_argo_archive.verify.gather import Gathered, gather
from kubectl_argo_archive.verify.scope import Scope, Verified


def verify(scope: Scope, checks: Iterable[Check] | None = None, tell: Tell = lambda _: None) -> Verified:
    """Look at a set-up and judge it. Reads only, but for the probe objects and the canary that ``scope`` allows.

    Args:
        scope: what to look at.
        checks: which to run; None for all.
        tell: says what is done, for people.

    Raises:
        ConfigError: an option, the kubeconfig or the lake's location is wrong.
    """
    chosen = list(CHECKS.values() if checks is None else checks)
    if not any(Need.BUCKET in check.needs for check in chosen):
        scope = replace(scope, write_probes=False)  # nobody would look at what they tell
    with gather(scope, tell) as gathered:
        facts = gathered.facts
        if scope.canary and gathered.client is not None and gathered.controller is not None:
            from kubectl_argo_archive.verify.canary import submit_canary  # export and Arrow: only for a canary

            facts = replace(facts, canary=submit_canary(gathered, scope, tell))
        report = Report(tuple(run_checks(facts, chosen)))
        return Verified(report, *_unreachable(scope, gathered))


def _unreachable(scope: Scope, gathered: Gathered) -> tuple[str, str]:
    """The API, or all that was asked, did not answer: then there is nothing to judge."""
    lost = gathered.unreachable
    if "cluster" in lost:
        return lost["cluster"].message, lost["cluster"].hint or ""
    if scope.kube is not None:
        return "", ""
    facts = gathered.facts
    connection = facts.connection
    silent = connection is None or connection.failed_at in ("dns", "tcp")
    if (scope.source and not silent) or (scope.lake and (facts.lake is not None or _refused(gathered))):
        return "", ""
    if "lake" in lost:
        return lost["lake"].message, lost["lake"].hint or ""
    if connection is not None:
        return connection.message, connection.hint
    reasons = [reason for need in (Need.CONNECTION, Need.LAKE) if (reason := facts.missing.get(need))]
    return "; ".join(reasons), "raise --timeout, or check the network"


def _refused(gathered: Gathered) -> bool:
    """The lake's storage answered, and said no."""
    return "lake" not in gathered.unreachable and bool(gathered.facts.machine and gathered.facts.machine.lake_error)
