"""Argo's labels, annotations and node types, spelt once."""

from __future__ import annotations

_PREFIX = "workflows.argoproj.io/"

LABEL_CREATOR = _PREFIX + "creator"
LABEL_CREATOR_EMAIL = _PREFIX + "creator-email"
LABEL_ACTOR = _PREFIX + "actor"
LABEL_ACTION = _PREFIX + "action"
LABEL_CRON_WORKFLOW = _PREFIX + "cron-workflow"
LABEL_WORKFLOW_TEMPLATE = _PREFIX + "workflow-template"
LABEL_CLUSTER_WORKFLOW_TEMPLATE = _PREFIX + "cluster-workflow-template"
LABEL_RESUBMITTED_FROM = _PREFIX + "resubmitted-from-workflow"

ANNOTATION_POD_NAME_FORMAT = _PREFIX + "pod-name-format"
ANNOTATION_SCHEDULED_TIME = _PREFIX + "scheduled-time"

FAILED_PHASES = ("Failed", "Error")
PHASES_THAT_RAN_NOTHING = ("Skipped", "Omitted")

ARTIFACT_KINDS = ("s3", "gcs", "oss", "azure", "http", "git", "hdfs", "artifactory", "raw", "plugin")
"""Location kinds of an artifact; the first one present decides (argo v4.1 ``ArtifactLocation``)."""

ARTIFACT_BUCKET = {"s3": "bucket", "gcs": "bucket", "oss": "bucket", "azure": "container"}
ARTIFACT_KEY = {
    "s3": "key",
    "gcs": "key",
    "oss": "key",
    "azure": "blob",
    "http": "url",
    "artifactory": "url",
    "git": "repo",
    "hdfs": "path",
    "plugin": "key",
}
"""Which member of a location names the object."""


def is_gpu(resource: str) -> bool:
    """Whether a key of ``resourcesDuration`` is a GPU (``nvidia.com/gpu``, ``amd.com/gpu``, a MIG slice, …)."""
    return "gpu" in resource or "nvidia.com/mig-" in resource


MEMORY_UNIT_MIB = 100
"""``resourcesDuration.memory`` counts units of 100 MiB (argo ``util/resource/duration.go``)."""
