"""The job that moves the archive and its logs into the lake, and what it may do."""

from __future__ import annotations

from typing import Any

from kubectl_argo_archive.setup.init.database import chart
from kubectl_argo_archive.setup.init.plan import (
    DATABASE,
    EXPORTER,
    PYTHON_IMAGE,
    READER,
    READER_SECRET,
    S3_SECRET,
    Plan,
)
from kubectl_argo_archive.setup.init.yaml_text import dump

_LABELS = {"app.kubernetes.io/name": EXPORTER, "app.kubernetes.io/part-of": "argo-archive"}
_COMMAND = """\
# The logs are indexed even if some rows went to quarantine (exit code 3); the job then fails all the same.
code=0
{tool} export --quiet || code=$?
[ "$code" -eq 0 ] || [ "$code" -eq 3 ] || exit "$code"
{tool} index --quiet || code=$?
exit "$code"
"""
_INSTALL = """\
python -m venv /tool
/tool/bin/pip install --quiet --no-cache-dir --disable-pip-version-check kubectl-argo-archive=={version} || exit 1
"""
_SECURITY = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def files(plan: Plan) -> dict[str, str]:
    """The chart of the exporter."""
    made = {
        "exporter/Chart.yaml": chart("argo-archive-exporter", "Exports the archive of Argo Workflows to a lake"),
        "exporter/templates/rbac.yaml": _rbac(plan),
    }
    made[f"exporter/templates/{plan.runner}.yaml"] = (
        _cron_job(plan) if plan.runner == "cronjob" else _cron_workflow(plan)
    )
    return made


def _rbac(plan: Plan) -> str:
    """A service account that finds the set-up by itself, and may only read."""
    annotations = {"annotations": {"eks.amazonaws.com/role-arn": plan.role_arn}} if plan.secret == "irsa" else {}
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": EXPORTER, "labels": _LABELS, **annotations},
    }
    names = [DATABASE] if plan.database_token else [READER_SECRET]
    names += [S3_SECRET] if plan.static_keys else []
    read = ["get", "list"]
    rules: list[dict[str, Any]] = [
        {"apiGroups": [""], "resources": ["configmaps", "services", "pods", "persistentvolumeclaims"], "verbs": read},
        {"apiGroups": ["apps"], "resources": ["deployments", "statefulsets"], "verbs": read},
        {"apiGroups": ["argoproj.io"], "resources": ["workflows", "cronworkflows", "workflowtemplates"], "verbs": read},
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": names, "verbs": ["get"]},
    ]
    if plan.runner == "cronworkflow":
        report = {"apiGroups": ["argoproj.io"], "resources": ["workflowtaskresults"], "verbs": ["create", "patch"]}
        rules.append(report)
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": EXPORTER, "labels": _LABELS},
        "rules": rules,
    }
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": EXPORTER, "labels": _LABELS},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": EXPORTER},
        "subjects": [{"kind": "ServiceAccount", "name": EXPORTER, "namespace": plan.namespace}],
    }
    return "---\n".join(dump(each) for each in (account, role, binding))


def _cron_job(plan: Plan) -> str:
    pod = {"serviceAccountName": EXPORTER, "restartPolicy": "Never", **_pod(plan)}
    job = {
        "backoffLimit": 1,
        "activeDeadlineSeconds": 21_600,
        "template": {"metadata": {"labels": _LABELS}, "spec": pod},
    }
    spec = {
        "schedule": plan.schedule,
        "timeZone": "Etc/UTC",
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": 600,
        "successfulJobsHistoryLimit": 3,
        "failedJobsHistoryLimit": 3,
        "jobTemplate": {"spec": job},
    }
    metadata = {"name": EXPORTER, "labels": _LABELS}
    return _about(plan) + dump({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata, "spec": spec})


def _cron_workflow(plan: Plan) -> str:
    pod = _pod(plan)
    container = pod["containers"][0]
    template: dict[str, Any] = {
        "name": "export",
        "securityContext": pod["securityContext"],
        "volumes": pod["volumes"],
        "container": {key: each for key, each in container.items() if key != "name"},
    }
    workflow = {
        "entrypoint": "export",
        "serviceAccountName": EXPORTER,
        "activeDeadlineSeconds": 21_600,
        "templates": [template],
    }
    # as many runs stay as an outage of the database may last: the limits remove runs without asking the archive
    spec = {
        "schedules": [plan.schedule],
        "timezone": "Etc/UTC",
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": 600,
        "successfulJobsHistoryLimit": 48,
        "failedJobsHistoryLimit": 48,
        "workflowSpec": workflow,
    }
    metadata = {"name": EXPORTER, "labels": _LABELS}
    return _about(plan) + dump(
        {"apiVersion": "argoproj.io/v1alpha1", "kind": "CronWorkflow", "metadata": metadata, "spec": spec}
    )


def _about(plan: Plan) -> str:
    if plan.tool_image:
        return ""
    return (
        "# Installs the tool when it starts. A cluster without a package index needs an image that holds it:\n"
        "#   setup init … --tool-image REGISTRY/kubectl-argo-archive:VERSION\n"
    )


def _pod(plan: Plan) -> dict[str, Any]:
    tool = "kubectl-argo_archive" if plan.tool_image else "/tool/bin/kubectl-argo_archive"
    install = "" if plan.tool_image else _INSTALL.format(version=plan.tool_version)
    container: dict[str, Any] = {
        "name": "export",
        "image": plan.tool_image or PYTHON_IMAGE,
        "command": ["sh", "-c", install + _COMMAND.format(tool=tool)],
        "env": _env(plan),
        "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": "2Gi"}},
        "securityContext": _SECURITY,
        "volumeMounts": [{"name": "scratch", "mountPath": "/tmp"}],
    }
    pod: dict[str, Any] = {
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65_532, "runAsGroup": 65_532, "fsGroup": 65_532,
                            "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "scratch", "emptyDir": {}}],
    }  # fmt: skip
    if not plan.tool_image:
        container["volumeMounts"].append({"name": "tool", "mountPath": "/tool"})
        pod["volumes"].append({"name": "tool", "emptyDir": {}})
    return pod


def _env(plan: Plan) -> list[dict[str, Any]]:
    env: list[dict[str, Any]] = [{"name": "HOME", "value": "/tmp"}]
    env.append({"name": "KUBECTL_ARGO_ARCHIVE_LAKE", "value": plan.lake_location})
    if not plan.database_token:  # with tokens, the tool finds the database by itself as the controller does
        source = f"postgresql://{READER}@{plan.host}:{plan.port}/{plan.database}?sslmode={plan.ssl_mode}"
        env.append({"name": "KUBECTL_ARGO_ARCHIVE_SOURCE", "value": source})
        env.append(_secret("PGPASSWORD", READER_SECRET, "password"))
    if plan.static_keys:
        env.append(_secret("AWS_ACCESS_KEY_ID", S3_SECRET, "accesskey"))
        env.append(_secret("AWS_SECRET_ACCESS_KEY", S3_SECRET, "secretkey"))
    if plan.region:
        env.append({"name": "AWS_REGION", "value": plan.region})
    if plan.endpoint:
        scheme = "http" if plan.insecure else "https"
        env.append({"name": "AWS_ENDPOINT_URL", "value": f"{scheme}://{plan.endpoint}"})
    return env


def _secret(name: str, secret: str, key: str) -> dict[str, Any]:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
