"""Claims and volumes: defined, fitting each other, and fit for a database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kubectl_argo_archive.checks.check import failed, warned
from kubectl_argo_archive.setup.files.model import Release, Resource, SetUp
from kubectl_argo_archive.setup.files.trees import Place, Tree
from kubectl_argo_archive.setup.files.unknown import is_known
from kubectl_argo_archive.setup.rules.found import Found, is_database, label, pods, same_space, spot, where
from kubectl_argo_archive.setup.storage import bytes_of


@dataclass(frozen=True, slots=True)
class Use:
    """A claim that somebody mounts."""

    name: str
    namespace: str
    place: Place
    owner: Resource | Release
    database: bool


def uses(set_up: SetUp) -> list[Use]:
    """Claims that pods mount, and those that values of unknown charts name."""
    found = []
    for resource, spec in pods(set_up):
        for volume in spec.each("volumes"):
            claim = volume.get("persistentVolumeClaim", "claimName")
            if claim is not None and isinstance(claim.value, str) and is_known(claim.value):
                found.append(Use(claim.value, resource.space, claim.place, resource, is_database(spec)))
    for release in set_up.releases:
        if any(each.release is not None and each.release.name == release.name for each in set_up.resources):
            continue
        for path, tree in release.values.walk():
            if (
                path
                and path[-1] == "existingClaim"
                and isinstance(tree.value, str)
                and tree.value
                and is_known(tree.value)
            ):
                found.append(Use(tree.value, release.namespace, tree.place, release, False))
    return found


def of_kind(set_up: SetUp, kind: str) -> list[Resource]:
    """All objects of a kind."""
    return [each for each in set_up.resources if each.kind == kind]


def undefined(set_up: SetUp) -> Iterator[Found]:
    """S01."""
    claims, volumes = of_kind(set_up, "PersistentVolumeClaim"), of_kind(set_up, "PersistentVolume")
    for use in uses(set_up):
        if any(each.name == use.name and same_space(each.space, use.namespace) for each in claims):
            continue
        elsewhere = [each for each in claims if each.name == use.name]
        evidence = [f"{spot(use.place)}: {label(use.owner)} mounts {use.name}"]
        message = f"no manifest defines the claim {use.name}"
        fix = f"write a PersistentVolumeClaim {use.name}" + (f" in namespace {use.namespace}" if use.namespace else "")
        if elsewhere:
            message = f"the claim {use.name} is defined in another namespace than its pod's"
            evidence += [f"{spot(each.tree.place)}: {label(each)}" for each in elsewhere]
            fix = f"define it in namespace {use.namespace}"
        elif suspect := _meant_as_claim(volumes):
            place = (suspect.tree.get("kind") or suspect.tree).place
            message += f"; the block in {place.file} that was meant to be it is a second volume"
            evidence += [f"{spot((each.tree.get('kind') or each.tree).place)}: kind: {each.kind}" for each in volumes]
            fix = (
                f"in {place.file} write kind: PersistentVolumeClaim, name {use.name}, "
                "accessModes, storageClassName and resources.requests.storage that fit the volume; no capacity, no nfs"
            )
        outcome = failed if claims or volumes or elsewhere else warned
        yield "S01", outcome(message, "\n".join(evidence), fix, where=where(use.place, use.owner))


def _meant_as_claim(volumes: list[Resource]) -> Resource | None:
    """A volume that stands where a claim was meant: in a file of that name, or as a double."""
    for each in volumes:
        file = each.tree.place.file.rpartition("/")[2].lower()
        if "pvc" in file or "claim" in file:
            return each
    names = [each.name for each in volumes]
    return next((each for index, each in enumerate(volumes) if each.name in names[:index]), None)


def misfit(set_up: SetUp) -> Iterator[Found]:
    """S04."""
    volumes = of_kind(set_up, "PersistentVolume")
    for claim in of_kind(set_up, "PersistentVolumeClaim"):
        wanted = claim.tree.text_at("spec", "volumeName")
        selector = dict(claim.tree.members("spec", "selector", "matchLabels"))
        kept = [each for each in volumes if is_kept_for(each, claim)]
        named = [each for each in volumes if wanted and each.name == wanted]
        pairs = named or kept
        if wanted and volumes and not named and is_known(wanted):
            near = claim.tree.get("spec", "volumeName")
            yield (
                "S04",
                failed(
                    f"{label(claim)} asks for the volume {wanted}, which no manifest defines",
                    "\n".join(f"{spot(each.tree.place)}: {label(each)}" for each in volumes),
                    where=where(near.place if near else claim.tree.place, claim, "spec.volumeName"),
                ),
            )
        elif not pairs and selector and volumes:
            pairs = [each for each in volumes if selected(each, selector)]
            if not pairs:
                place = claim.tree.get("spec", "selector")
                yield (
                    "S04",
                    failed(
                        f"no volume has the labels that {label(claim)} selects",
                        "\n".join(f"{spot(each.tree.place)}: {label(each)}" for each in volumes),
                        "give the volume these labels, or the claim the volume's",
                        where=where(place.place if place else claim.tree.place, claim, "spec.selector"),
                    ),
                )
        elif not pairs and volumes and claim.tree.text_at("spec", "storageClassName", default="-") == "":
            pairs = volumes[:1] if len(volumes) == 1 else []
        for volume in pairs:
            yield from _compare(claim, volume, bool(named or kept))


def is_kept_for(volume: Resource, claim: Resource) -> bool:
    """Whether ``claimRef`` names the claim."""
    ref = volume.tree.get("spec", "claimRef")
    return ref is not None and ref.text_at("name") == claim.name and same_space(ref.text_at("namespace"), claim.space)


def selected(volume: Resource, selector: dict[str, Tree]) -> bool:
    """Whether a volume has the labels."""
    return all(volume.tree.text_at("metadata", "labels", key) == each.text_at() for key, each in selector.items())


def _compare(claim: Resource, volume: Resource, bound_by_name: bool) -> Iterator[Found]:
    asked, has = claim.tree.get("spec") or claim.tree, volume.tree.get("spec") or volume.tree
    evidence = f"{spot(claim.tree.place)}: {label(claim)}\n{spot(volume.tree.place)}: {label(volume)}"

    def no(message: str, fix: str, *path: str) -> Found:
        place = (asked.get(*path) or asked).place
        return "S04", failed(message, evidence, fix, where=where(place, claim, ".".join(("spec", *path))))

    own, other = asked.get("storageClassName"), has.text_at("storageClassName")
    if own is None and not other:
        yield no(
            f"{label(claim)} names no storage class: the cluster's default one is put in, and then it does not fit "
            f"{label(volume)}, which has none",
            'write storageClassName: "" in the claim',
        )
    elif own is not None and is_known(own.value) and is_known(other) and own.text_at() != other:
        yield no(
            f'storage classes differ: the claim has "{own.text_at()}", the volume "{other}"',
            "write the same storageClassName in both",
            "storageClassName",
        )
    size, capacity = asked.text_at("resources", "requests", "storage"), has.text_at("capacity", "storage")
    wanted, given = bytes_of(size), bytes_of(capacity)
    if wanted is not None and given is not None and wanted > given:
        yield no(
            f"the claim asks for {size}, the volume has {capacity}",
            f"ask for at most {capacity}, or enlarge the volume",
            "resources", "requests", "storage",
        )  # fmt: skip
    modes = {each.text_at() for each in has.each("accessModes")}
    missing = [each.text_at() for each in asked.each("accessModes") if each.text_at() not in modes]
    if missing and modes:
        yield no(
            f"the claim asks for {', '.join(missing)}, the volume only has {', '.join(sorted(modes))}",
            "write the same accessModes in both",
            "accessModes",
        )
    if bound_by_name:
        selector = dict(asked.members("selector", "matchLabels"))
        if selector and not selected(volume, selector):
            yield no(f"{label(volume)} lacks the labels that the claim selects", "make the labels agree", "selector")
    ref = has.get("claimRef")
    if ref is not None and not is_kept_for(volume, claim) and is_known(ref.text_at("name")):
        yield no(
            f"{label(volume)} is kept for the claim {ref.text_at('namespace')}/{ref.text_at('name')}",
            "make claimRef name this claim",
            "volumeName",
        )


def belongs(volume: Resource, claim: Resource) -> bool:
    """Whether a claim would get this volume."""
    wanted = claim.tree.text_at("spec", "volumeName")
    selector = dict(claim.tree.members("spec", "selector", "matchLabels"))
    if wanted or volume.tree.get("spec", "claimRef"):
        return volume.name == wanted or is_kept_for(volume, claim)
    if selector:
        return selected(volume, selector)
    return volume.tree.text_at("spec", "storageClassName") == claim.tree.text_at("spec", "storageClassName")
