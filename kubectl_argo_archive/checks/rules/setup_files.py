"""What only the files of a set-up show; ``setup lint`` makes these findings."""

from __future__ import annotations

from kubectl_argo_archive.checks.check import Need, declare
from kubectl_argo_archive.checks.finding import Severity

S01 = declare(
    "S01",
    "Every claim that a pod mounts is defined",
    Severity.HIGH,
    Need.FILES,
    symptom='The database stays `Pending`: `persistentvolumeclaim "…" not found`.',
    cause="""A chart's `existingClaim` or a pod names a PersistentVolumeClaim that no manifest makes. Often the block
    that was meant to be the claim is a copy of the PersistentVolume.""",
    looks="claims of pods and `existingClaim` in values, against PersistentVolumeClaims of the same namespace",
    fix="write the PersistentVolumeClaim, in the namespace of the pod",
)
S02 = declare(
    "S02",
    "No two objects have the same kind and name",
    Severity.HIGH,
    Need.FILES,
    symptom="One of two manifests has no effect; which one depends on the order they are applied in.",
    cause="A block was copied and its kind or name was not changed.",
    looks="kind, namespace and name of all objects that are installed together",
    fix="give one of them its own name, or its right kind",
)
S03 = declare(
    "S03",
    "Files hold what their names say",
    Severity.LOW,
    Need.FILES,
    symptom="People look at pvc.yaml for the claim and do not find it.",
    cause="A file was copied, and what is inside was not changed.",
    looks="the kind that a file's name speaks of, against the kinds inside",
    fix="correct the kind, or rename the file",
)
S04 = declare(
    "S04",
    "Claims and volumes fit each other",
    Severity.HIGH,
    Need.FILES,
    symptom="The claim stays `Pending`: `no persistent volumes available for this claim`, or binds to a wrong volume.",
    cause="Storage class, size, access mode, labels or the name that one side asks for differ from the other side.",
    looks="each claim that names or selects a volume, each volume that is kept for a claim",
    fix="make storageClassName, size, accessModes and labels of both agree",
)
S05 = declare(
    "S05",
    "No credentials stand in clear text",
    Severity.CRITICAL,
    Need.FILES,
    symptom="Whoever can read the repository can read, change and delete the history of all workflows.",
    cause="A password is written in a Secret (base64 is no protection), in values, in a variable or in an address.",
    looks="Secrets, values, environment variables, ConfigMaps, addresses; what is encrypted or filled in later is fine",
    fix="take it out, change it, and let External Secrets, Sealed Secrets, SOPS or `kubectl create secret` bring it",
)
S06 = declare(
    "S06",
    "Images are pinned",
    Severity.MEDIUM,
    Need.FILES,
    symptom="After a restart another release runs, and its migrations have changed the tables.",
    cause="An image has no tag, or one that moves, such as `latest`.",
    looks="images of pods and values; those of workflows are their own business",
    fix="write a release, better with its digest",
)
S07 = declare(
    "S07",
    "Charts are pinned",
    Severity.MEDIUM,
    Need.FILES,
    symptom="The same files install another release of Argo next month.",
    cause="A release names a chart of a repository without a version.",
    looks="`version` of each release of a helmfile, of kustomize's helmCharts, `targetRevision` of Argo CD",
    fix="write the version: `helm search repo CHART` shows it",
)
S08 = declare(
    "S08",
    "A change of the configuration restarts controller and server",
    Severity.HIGH,
    Need.FILES,
    symptom="The archive was switched on or moved, and nothing arrives: the controller keeps its old session.",
    cause="""The controller takes database, credentials and archiveTTL only at its start, and makes the tables only
    then; the server reads everything at its start. The Helm chart restarts the server, not the controller.""",
    looks="a hook that runs `rollout restart`, or a checksum or Reloader annotation on the controller's pods",
    fix="add a hook: kubectl rollout restart deployment/NAME, for controller and server",
)
S09 = declare(
    "S09",
    "The database is not on a shared network file system",
    Severity.HIGH,
    Need.FILES,
    symptom="Queries take seconds, locks are lost after a network fault, and two servers on one folder destroy it.",
    cause="""NFS and EFS are made for many readers; Postgres needs a disk that one server owns. It survives NFS only
    with hard mounts and one writer.""",
    looks="volumes behind the database: nfs, EFS, Azure Files, CephFS and so on, their access modes and mount options",
    fix="put the database on a block volume (EBS gp3, a storage class with ReadWriteOnce) or on a managed database",
)
S10 = declare(
    "S10",
    "The database's volume outlives its claim",
    Severity.MEDIUM,
    Need.FILES,
    symptom="Removing a release or a namespace removes the archive with it.",
    cause="The volume's or class's reclaim policy is Delete, or the StatefulSet deletes its claims.",
    looks="`persistentVolumeReclaimPolicy`, `reclaimPolicy`, `persistentVolumeClaimRetentionPolicy`",
    fix="set it to Retain",
)
S11 = declare(
    "S11",
    "Every file can be read",
    Severity.HIGH,
    Need.FILES,
    symptom="`kubectl apply` or `helmfile apply` stops, or silently leaves something out.",
    cause="A file is no YAML, a key stands twice, or a file that is named does not exist.",
    looks="every YAML file, and the files that helmfiles name",
    fix="correct the line",
)
S12 = declare(
    "S12",
    "Releases need releases that exist",
    Severity.MEDIUM,
    Need.FILES,
    symptom="`helmfile apply` stops: `release … depends on … which does not exist`.",
    cause="A name under `needs` is misspelt, or its release was renamed.",
    looks="`needs` of each release against the names of the same helmfile",
    fix="correct the name",
)
