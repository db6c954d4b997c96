"""The helmfile, and the values of Argo's chart."""

from __future__ import annotations

from typing import Any

from kubectl_argo_archive.setup.init.encode import encode
from kubectl_argo_archive.setup.init.plan import ARGO_VERSION, CHART_VERSION, RELEASE, Plan
from kubectl_argo_archive.setup.init.yaml_text import dump

_HELMFILE = """\
# Installs everything in its order:  helmfile apply
# README.md says what comes before (the secrets) and after (how to see that it works).
repositories:
  - name: argo
    url: https://argoproj.github.io/argo-helm

helmDefaults:
  createNamespace: true
  wait: true
  timeout: 600

releases:
"""

_RESTART = """\
    hooks:
      # The chart restarts the server when its configuration changes, never the controller. That one takes database,
      # credentials and archiveTTL only at its start, and makes the tables only then.
      - events: [postsync]
        showlogs: true
        command: kubectl
        args:
          - --namespace={namespace}
          - rollout
          - restart
          - deployment/{release}-workflow-controller
          - deployment/{release}-server
"""


def helmfile(plan: Plan) -> str:
    """``helmfile.yaml``."""
    parts = [_HELMFILE]
    needed = []
    if plan.secret == "external-secrets" or plan.database_token:
        parts.append(_local("argo-archive-secrets", "secrets", plan))
        needed.append("argo-archive-secrets")
    if plan.in_cluster:
        parts.append(_local("argo-archive-database", "database", plan, needed))
        needed.append("argo-archive-database")
    parts.append(
        f"  - name: {RELEASE}\n    namespace: {plan.namespace}\n    chart: argo/argo-workflows\n"
        f"    version: {CHART_VERSION}\n{_needs(plan, needed)}"
        "    values:\n      - values/argo-workflows.yaml\n" + _RESTART.format(namespace=plan.namespace, release=RELEASE)
    )
    parts.append(_local("argo-archive-exporter", "exporter", plan, [*needed, RELEASE]))
    return "".join(parts)


def _local(name: str, folder: str, plan: Plan, needed: list[str] | None = None) -> str:
    return f"  - name: {name}\n    namespace: {plan.namespace}\n    chart: ./{folder}\n{_needs(plan, needed or [])}\n"


def _needs(plan: Plan, names: list[str]) -> str:
    lines = "".join(f"      - {plan.namespace}/{name}\n" for name in names)
    return f"    needs:\n{lines}" if lines else ""


def values(plan: Plan) -> str:
    """Values of argo/argo-workflows."""
    persistence, repository = encode(plan.persistence), encode(plan.repository)
    database = persistence.pop("postgresql")
    archive = {key: persistence.pop(key) for key in ("archive", "archiveTTL", "clusterName", "nodeStatusOffLoad")}
    account = _account(plan)
    server = dump({"serviceAccount": {"create": True, **account}}, 2) if account else ""
    return "".join(
        [
            f"# Values of argo/argo-workflows {CHART_VERSION}.\n",
            f"# Argo {ARGO_VERSION}: a failed attempt to archive is repeated only since v4.0.9; tokens of RDS came\n",
            "# with v4.1. Its roles and flags are those of the chart.\n",
            dump({"images": {"tag": ARGO_VERSION, "pullPolicy": "IfNotPresent"}}),
            "\n# The small CRDs: they take every field, and nothing is downloaded at install time.\n",
            dump({"crds": {"install": True, "keep": True, "full": False}}),
            "\ncontroller:\n",
            dump({"workflowNamespaces": list(plan.namespaces)}, 2),
            "  persistence:\n",
            dump(archive, 4),
            "    # An unlimited pool starves the database, and old connections die in firewalls.\n",
            dump(persistence, 4),
            dump({"postgresql": database}, 4),
            "  workflowDefaults:\n    spec:\n",
            "      # Finished workflows leave the cluster after a week; they wait until they are archived.\n",
            dump({"ttlStrategy": {"secondsAfterCompletion": 604_800}}, 6),
            "      # Pods go when they are done: their logs are in the bucket.\n",
            dump({"podGC": {"strategy": "OnPodCompletion"}}, 6),
            "  extraEnv:\n    # Without it, a pod that is killed loses its logs.\n",
            dump([{"name": "ARGO_POD_STATUS_CAPTURE_FINALIZER", "value": "true"}], 4),
            "\nserver:\n",
            dump({"authModes": ["client"]}, 2),
            server,
            "\n# Who runs workflows, and so uploads their logs.\n",
            dump({"workflow": {"serviceAccount": {"create": True, "name": "argo-workflow", **account}}}),
            "\n",
            dump({"useStaticCredentials": plan.static_keys}),
            _repository(repository),
        ]
    )


def _repository(repository: dict[str, Any]) -> str:
    store = repository["s3"]
    key_format = store.pop("keyFormat")
    return "".join(
        [
            "artifactRepository:\n",
            dump({"archiveLogs": repository["archiveLogs"]}, 2),
            "  s3:\n",
            dump(store, 4),
            "    # With the uid, no run ever overwrites the logs of another one.\n",
            dump({"keyFormat": key_format}, 4),
        ]
    )


def _account(plan: Plan) -> dict[str, Any]:
    """What makes a service account an IAM role on EKS."""
    return {"annotations": {"eks.amazonaws.com/role-arn": plan.role_arn}} if plan.secret == "irsa" else {}
