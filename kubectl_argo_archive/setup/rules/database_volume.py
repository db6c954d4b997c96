"""What a database keeps its data on."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_argo_archive.checks.check import Outcome, failed, passed, warned
from kubectl_argo_archive.setup.files.model import Resource, SetUp
from kubectl_argo_archive.setup.files.trees import Place, Tree
from kubectl_argo_archive.setup.rules.found import Found, is_database, label, pods, same_space, spot, where
from kubectl_argo_archive.setup.rules.volumes import belongs, of_kind, uses
from kubectl_argo_archive.setup.storage import NETWORK_CLASSES, NETWORK_DRIVERS, NETWORK_SOURCES


def on_network(set_up: SetUp) -> Iterator[Found]:
    """S09."""
    volumes = of_kind(set_up, "PersistentVolume")
    claims = of_kind(set_up, "PersistentVolumeClaim")
    classes = {each.name: each for each in of_kind(set_up, "StorageClass")}
    seen: set[tuple[str, int]] = set()
    for resource, spec in pods(set_up):
        if not is_database(spec):
            continue
        found = [(resource, each, "") for each in spec.each("volumes") if each.get("nfs") or each.get("azureFile")]
        for use in (each for each in uses(set_up) if each.owner is resource):
            own = [each for each in claims if each.name == use.name and same_space(each.space, use.namespace)]
            for claim in own:
                found += _network_class(claim, claim.tree, classes)
                found += [(each, each.tree, "") for each in volumes if belongs(each, claim) and _is_network(each)]
            if not own:  # whichever claim was meant, these are the volumes there are
                found += [(each, each.tree, "") for each in volumes if _is_network(each)]
        for template in resource.tree.each("spec", "volumeClaimTemplates"):
            found += _network_class(resource, template, classes)
        for owner, tree, kind in found:
            place, how = _source(tree, kind)
            if (place.file, place.line) in seen:
                continue
            seen.add((place.file, place.line))
            evidence = f"{label(resource)} keeps its data on {label(owner)}\n{spot(place)}: {how}"
            yield "S09", _judged(resource, owner, tree, how, evidence, place)


def _judged(database: Resource, owner: Resource, tree: Tree, how: str, evidence: str, place: Place) -> Outcome:
    modes = {each.text_at() for each in (*tree.each("spec", "accessModes"), *owner.tree.each("spec", "accessModes"))}
    options = {each.text_at() for each in tree.each("spec", "mountOptions")}
    one_writer = bool(modes) and modes <= {"ReadWriteOnce", "ReadWriteOncePod"}
    hard = "hard" in options or "efs.csi" in how
    if one_writer and hard:
        return passed(
            f"the database of {label(database)} is on a network file system ({how}), with hard mounts and one writer; "
            "expect slow commits",
            evidence,
            where=where(place, owner),
        )
    wrong = [] if one_writer else ["many nodes may write at once"]
    wrong += [] if hard else ["mounts are not hard, so writes can be lost"]
    return failed(
        f"the database of {label(database)} is on a shared network file system ({how}): {', '.join(wrong)}",
        evidence,
        where=where(place, owner),
    )


def _is_network(volume: Resource) -> bool:
    spec = volume.tree.get("spec") or volume.tree
    return any(spec.get(name) for name in NETWORK_SOURCES) or _driver(spec) in NETWORK_DRIVERS


def _driver(spec: Tree) -> str:
    return spec.text_at("csi", "driver")


def _network_class(owner: Resource, tree: Tree, classes: dict[str, Resource]) -> list[tuple[Resource, Tree, str]]:
    written = tree.get("spec", "storageClassName")
    name = written.text_at() if written is not None else ""
    known = classes.get(name)
    if known is not None:
        provisioner = known.tree.text_at("provisioner")
        return [(owner, tree, f"storage class {name}, {provisioner}")] if provisioner in NETWORK_DRIVERS else []
    words = name.lower().replace("_", "-").split("-")
    return [(owner, tree, f"storage class {name}")] if any(each in words for each in NETWORK_CLASSES) else []


def _source(tree: Tree, kind: str) -> tuple[Place, str]:
    """Where a network file system is named, and how."""
    spec = tree.get("spec") or tree
    if kind:
        return (spec.get("storageClassName") or tree).place, kind
    for name in NETWORK_SOURCES:
        if (found := spec.get(name)) is not None:
            server = found.text_at("server")
            return found.place, "EFS over NFS" if ".efs." in server else name
    driver = spec.get("csi", "driver")
    return (driver.place, driver.text_at()) if driver is not None else (tree.place, "a network file system")


def reclaimed(set_up: SetUp) -> Iterator[Found]:
    """S10."""
    claims = of_kind(set_up, "PersistentVolumeClaim")
    classes = {each.name: each for each in of_kind(set_up, "StorageClass")}
    for resource, spec in pods(set_up):
        if not is_database(spec):
            continue
        policy = resource.tree.get("spec", "persistentVolumeClaimRetentionPolicy", "whenDeleted")
        if policy is not None and policy.value == "Delete":
            yield "S10", warned(f"{label(resource)} deletes its claims with itself", spot(policy.place),
                                "set whenDeleted: Retain", where=where(policy.place, resource))  # fmt: skip
        used = {use.name for use in uses(set_up) if use.owner is resource}
        mine = [each for each in claims if each.name in used and same_space(each.space, resource.space)]
        names = {each.tree.text_at("spec", "storageClassName") for each in mine}
        names |= {
            each.text_at("spec", "storageClassName") for each in resource.tree.each("spec", "volumeClaimTemplates")
        }
        for name in sorted(names & set(classes)):
            known = classes[name]
            if known.tree.text_at("reclaimPolicy", default="Delete") == "Delete":
                place = (known.tree.get("reclaimPolicy") or known.tree).place
                yield "S10", warned(f"volumes of class {name} are deleted with their claims", spot(place),
                                    "set reclaimPolicy: Retain in the class", where=where(place, known))  # fmt: skip
        for volume in of_kind(set_up, "PersistentVolume"):
            written = volume.tree.get("spec", "persistentVolumeReclaimPolicy")
            if written is not None and written.value == "Delete" and any(belongs(volume, each) for each in mine):
                yield "S10", warned(f"{label(volume)} is deleted with its claim", spot(written.place),
                                    where=where(written.place, volume))  # fmt: skip
