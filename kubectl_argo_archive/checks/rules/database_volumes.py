"""What the database stands on: its image and its volume."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_argo_archive.argo.workloads import Workload
from kubectl_argo_archive.checks.check import Need, Outcome, check, failed, passed, skipped, warned
from kubectl_argo_archive.checks.facts import Facts
from kubectl_argo_archive.checks.finding import Severity
from kubectl_argo_archive.checks.rules.database_config import databases
from kubectl_argo_archive.checks.words import at, count

_STATEFUL = ("postgres", "mysql", "mariadb", "minio", "percona")


_NETWORK_VOLUMES = ("nfs", "glusterfs", "cephfs", "azureFile", "smb")


_NETWORK_DRIVERS = ("efs.csi.aws.com", "nfs.csi.k8s.io", "file.csi.azure.com", "smb.csi.k8s.io", "cephfs.csi.ceph.com")


def _stateful(facts: Facts) -> list[Workload]:
    """Databases and object stores: what the configured host's Service leads to, and what looks like one."""
    found = {
        each.name: each
        for each in facts.the.workloads
        if any(name in image for name in _STATEFUL for image in _images(each))
    }
    for controller, database in databases(facts):
        host = database.address[0].split(".")
        space = host[1] if len(host) > 1 else controller.namespace
        service = facts.the.service(space, host[0])
        found |= {each.name: each for each in (facts.the.behind(service) if service else ())}
    return list(found.values())


def _images(workload: Workload) -> list[str]:
    return [container.image for container in workload.containers]


@check(
    "B29", "Images of database and store can still be pulled", Severity.HIGH, Need.CONFIG,
    symptom="`ImagePullBackOff … docker.io/bitnami/postgresql:…: not found` after a pod moves to another node.",
    cause="Bitnami took its versioned images off docker.io/bitnami in 2025; they are frozen in bitnamilegacy.",
    looks="Images of the workloads around the archive.",
    fix="Use docker.io/postgres:17 (bitnamilegacy for the time being) and set image.registry/repository of the chart.",
)  # fmt: skip
def images_exist(facts: Facts) -> Iterator[Outcome]:
    everything = [
        *facts.the.workloads,
        *(c.workload for c in (*facts.the.controllers, *facts.the.servers) if c.workload),
    ]
    for workload in everything:
        for container in (*workload.containers, *workload.init_containers):
            name = container.repository.removeprefix("docker.io/").removeprefix("registry-1.docker.io/")
            if name.startswith("bitnami/"):
                yield failed(
                    f"{container.image} is no longer served",
                    f"{workload.kind} {workload.namespace}/"
                    f"{workload.name}, container {container.name}: {container.image}",
                    f"image: docker.io/bitnamilegacy/{name.partition('/')[2]}:{container.tag or 'TAG'} "
                    "until you move to the official image",
                    where=at(container.origin),
                )
    yield passed(f"no image of {count(len(everything), 'workload')} is of docker.io/bitnami")


@check(
    "B30", "The database outlives its pod", Severity.CRITICAL, Need.CONFIG,
    symptom="The history is gone after a node restart; `minio pod is deleted`.",
    cause="The quick-start's Postgres and MinIO have no volume: they are for trying out.",
    looks="Volumes of the pods behind the configured database and store.",
    fix="Give it a PersistentVolumeClaim (setup init writes one), or use a managed database.",
)  # fmt: skip
def database_has_volume(facts: Facts) -> Iterator[Outcome]:
    stateful = _stateful(facts)
    for workload in stateful:
        if workload.claims or workload.claim_templates:
            claims = ", ".join(
                (*workload.claims, *(str(t.get("metadata", {}).get("name")) for t in workload.claim_templates))
            )
            yield passed(f"{workload.kind} {workload.namespace}/{workload.name} keeps its data in {claims}")
            continue
        kinds = [next((k for k in volume if k != "name"), "?") for volume in workload.volumes]
        bare = "a bare Pod without a claim" if workload.kind == "Pod" else "no claim"
        yield failed(
            f"{workload.name} loses its data with its pod: {bare}",
            f"{workload.kind} {workload.namespace}/{workload.name}, volumes: {', '.join(kinds) or 'none'}",
            where=at(workload.origin),
        )
    if not stateful:
        yield passed("the database does not run in this cluster")


@check(
    "E20", "The database's volume is bound and no shared network file system", Severity.HIGH, Need.CONFIG,
    symptom="The pod stays Pending: `unbound immediate PersistentVolumeClaims`; or the database is slow, or corrupt "
    "after a fail-over.",
    cause="No volume fits the claim; or NFS/EFS, whose locks and fsync a database must not rely on.",
    looks="Claims of the database's pods: defined, phase, volume, its kind or CSI driver.",
    fix="Use block storage (EBS gp3, Persistent Disk, local) with accessModes [ReadWriteOnce].",
)  # fmt: skip
def volume_fits(facts: Facts) -> Iterator[Outcome]:
    installation = facts.the
    for workload in _stateful(facts):
        for name in workload.claims:
            claim = installation.claim(workload.namespace, name)
            place = f"PersistentVolumeClaim {workload.namespace}/{name}"
            if claim is None:
                known = installation.was_read("PersistentVolumeClaim", workload.namespace, name)
                say = failed if known else skipped
                yield say(
                    f"{place}, which {workload.name} mounts, {'does not exist' if known else 'was not seen'}",
                    where=at(workload.origin),
                )
                continue
            volume = next(
                (v for v in installation.volumes if v.name == claim.volume or v.claim == (claim.namespace, claim.name)),
                None,
            )
            if claim.phase not in (None, "Bound"):
                yield failed(
                    f"{place} is {claim.phase}",
                    f"storageClass {claim.storage_class}, {claim.storage}",
                    f"kubectl describe pvc/{name} -n {workload.namespace}",
                    where=at(claim.origin),
                )
            elif (volume and (volume.source in _NETWORK_VOLUMES or volume.driver in _NETWORK_DRIVERS)) or (
                _network_class(claim.storage_class)
            ):
                kind = (volume.driver or volume.source) if volume else f"storage class {claim.storage_class}"
                # one writer at a time is the half of it that can be seen; hard mounts are the other
                alone = {*(volume or claim).access_modes} <= {"ReadWriteOnce", "ReadWriteOncePod"}
                yield (warned if alone else failed)(
                    f"{workload.name} keeps its data on a shared network file system ({kind})",
                    f"{place} → {volume.name if volume else claim.storage_class}",
                    where=at((volume or claim).origin),
                )
            else:
                yield passed(f"{place} is {claim.phase or 'defined'}", f"storageClass {claim.storage_class}")


def _network_class(name: str | None) -> bool:
    words = (name or "").lower().replace("_", "-").split("-")
    return any(word in ("efs", "nfs", "cephfs", "azurefile", "smb") for word in words)
