"""Do controller and server run what is configured, and is the archive visible?"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_argo_archive.checks.check import Need, Outcome, check, failed, passed, skipped, warned
from kubectl_argo_archive.checks.facts import Facts
from kubectl_argo_archive.checks.finding import Severity
from kubectl_argo_archive.checks.words import at, count, instant, restart_of, some


@check(
    "A03", "The server reads the controller's configuration", Severity.HIGH, Need.CONFIG,
    symptom="API: `getting archived workflows not supported`; lists return `\"items\": null`.",
    cause="argo-server reads its configuration only when it starts, perhaps from another ConfigMap, or is of another "
    "release than the controller.",
    looks="--configmap, release and start time of every server against the controller's and the map's last change.",
    fix="Give the server the controller's --configmap and release, and restart it after every change.",
)  # fmt: skip
def server_reads_it(facts: Facts) -> Iterator[Outcome]:
    if not facts.the.servers:
        yield passed("there is no Argo server; nothing to compare")
    for server in facts.the.servers:
        where = at(server.origin)
        mates = [each for each in facts.the.controllers if each.namespace == server.namespace] or list(
            facts.controllers
        )
        maps = {(each.namespace, each.config_map) for each in mates}
        changed = facts.cluster.config_changed.get(f"{server.namespace}/{server.config_map}") if facts.cluster else None
        pods = [p for p in facts.cluster.pods if p.process == server.name] if facts.cluster else []
        stale = [p for p in pods if p.started and changed and p.started < changed]
        fine = True
        if maps and (server.namespace, server.config_map) not in maps:
            fine = False
            names = ", ".join(sorted(f"{space}/{name}" for space, name in maps))
            yield failed(
                f"server {server.name} reads ConfigMap {server.config_map}, the controller {names}",
                f"--configmap of {server.name}: {server.config_map}",
                where=where,
            )
        versions = {each.version for each in mates if each.version}
        if server.version and versions and server.version not in versions:
            fine = False
            yield warned(
                f"server {server.name} is {server.version}, the controller {', '.join(map(str, versions))}",
                f"image {server.image}",
                "run the same release of both",
                where=where,
            )
        if stale:
            fine = False
            yield failed(
                f"server {server.name} started before the configuration changed",
                f"pod {stale[0].name} started {instant(stale[0].started)}, "
                f"ConfigMap {server.config_map} changed {instant(changed)}",
                restart_of([server]),
                where=where,
            )
        if fine:
            yield passed(f"server {server.name} reads {server.config_map} as the controller does", str(where))


@check(
    "E21", "Controllers were restarted after their configuration changed", Severity.HIGH, Need.CONFIG, Need.CLUSTER,
    symptom="The new database, password or archiveTTL is not used; the tables are never created.",
    cause="The controller takes up archive on/off while it runs, but host, credentials, archiveTTL and the migration "
    "of tables only when it starts.",
    looks="Start of the controllers' pods against the last change of their ConfigMap.",
    fix="kubectl rollout restart deployment/workflow-controller -n argo",
)  # fmt: skip
def controllers_restarted(facts: Facts) -> Iterator[Outcome]:
    for controller in facts.controllers:
        changed = facts.api.config_changed.get(f"{controller.namespace}/{controller.config_map}")
        pods = [pod for pod in facts.api.pods if pod.process == controller.name]
        stale = [pod for pod in pods if pod.started and changed and pod.started < changed]
        if stale:
            yield failed(
                f"{controller.label()} started before its configuration changed",
                f"pod {stale[0].name} started {instant(stale[0].started)}, "
                f"ConfigMap {controller.config_map} changed {instant(changed)}",
                restart_of([controller]),
                where=at(controller.config_origin),
            )
        elif not pods or changed is None:
            yield skipped(
                f"when {controller.label()} started, or when its ConfigMap changed, could not be learnt",
                f"kubectl get pods -n {controller.namespace}",
            )
        else:
            yield passed(
                f"{controller.label()} started after its configuration changed",
                f"started {instant(min(p.started for p in pods if p.started))}" if any(p.started for p in pods) else "",
            )


@check(
    "E25", "A controller runs", Severity.CRITICAL, Need.CLUSTER,
    symptom="Workflows stay without a phase; nothing is archived.",
    cause="The Deployment is missing, scaled to zero, or its pods do not get ready (often for lack of the database).",
    looks="Ready replicas of every controller found.",
    fix="kubectl describe deployment/workflow-controller -n argo; kubectl logs deployment/workflow-controller -n argo",
)  # fmt: skip
def controller_runs(facts: Facts) -> Iterator[Outcome]:
    installation = facts.installation
    running = [each for each in installation.controllers if each.workload] if installation else []
    if not running:
        unread = [each for each in installation.unread if each.kind == "Deployment"] if installation else []
        if unread:
            yield skipped(f"workloads could not be listed: {unread[0].reason}")
        else:
            yield failed(
                "no workflow controller was found",
                "no Deployment runs an image workflow-controller",
                "install Argo Workflows, or name its namespace with -n",
            )
    for controller in running:
        workload = controller.workload
        assert workload is not None
        wanted = 1 if workload.replicas is None else workload.replicas
        ready = wanted if workload.ready is None else workload.ready
        where = at(controller.origin)
        if wanted == 0:
            yield failed(
                f"{controller.label()} is scaled to zero",
                f"{where}: replicas 0",
                f"kubectl scale deployment/{workload.name} --replicas=1 -n {workload.namespace}",
                where=where,
            )
        elif ready < 1:
            yield failed(
                f"{controller.label()} is not ready",
                f"{where}: {ready} of {wanted} ready",
                f"kubectl logs deployment/{workload.name} -n {workload.namespace}",
                where=where,
            )
        else:
            yield passed(
                f"{controller.label()} runs {controller.version or controller.image}",
                f"{ready} of {wanted} ready",
                where=where,
            )


@check(
    "A07", "You may see the workflows of the archive", Severity.MEDIUM, Need.CLUSTER,
    symptom="`Permission denied, you are not allowed to list workflows in namespace \"…\"`.",
    cause="Argo decides access to archived workflows by the right to list and get live ones in the same namespace.",
    looks="SelfSubjectAccessReview for list and get of workflows in every namespace that ran some.",
    fix="Bind a Role with get, list and watch on workflows.argoproj.io in that namespace.",
)  # fmt: skip
def may_see(facts: Facts) -> Iterator[Outcome]:
    asked = [
        each
        for each in facts.api.access
        if each.who == "you" and each.resource == "workflows.argoproj.io" and each.verb in ("list", "get")
    ]
    refused = sorted({each.namespace or "all namespaces" for each in asked if not each.allowed})
    if not asked:
        yield skipped("the API server answered no access review", "kubectl auth can-i list workflows.argoproj.io -A")
    elif refused:
        verbs = [f"{each.verb} workflows in {each.namespace or 'all namespaces'}" for each in asked if not each.allowed]
        space = next((each.namespace for each in asked if not each.allowed and each.namespace), "argo")
        yield warned(
            f"you may not read workflows in {', '.join(refused)}",
            some(verbs),
            role_yaml(space, "archive-reader", [("argoproj.io", ["workflows"], ["get", "list", "watch"])]),
        )
    else:
        yield passed(f"you may list and get workflows ({count(len(asked), 'review')})")


def role_yaml(namespace: str, name: str, rules: list[tuple[str, list[str], list[str]]]) -> str:
    """A Role, ready to be applied."""
    lines = [
        "apiVersion: rbac.authorization.k8s.io/v1",
        "kind: Role",
        f"metadata: {{name: {name}, namespace: {namespace}}}",
        "rules:",
    ]
    for group, resources, verbs in rules:
        lines.append(f'- {{apiGroups: ["{group}"], resources: [{", ".join(resources)}], verbs: [{", ".join(verbs)}]}}')
    return "\n".join(lines)


@check(
    "A08", "An Argo server answers for the archive", Severity.LOW, Need.CLUSTER, Need.CONFIG,
    symptom="`argo archive list`: `this is impossible if you are not using the Argo Server`.",
    cause="Argo's own command line reads the archive only through the server (ARGO_SERVER); without one there is no "
    "archive in UI and CLI. This tool needs neither.",
    looks="Whether a server is installed.",
    fix="Install argo-server and set ARGO_SERVER=host:2746, or use kubectl argo-archive query.",
)  # fmt: skip
def server_exists(facts: Facts) -> Iterator[Outcome]:
    if facts.the.servers:
        names = ", ".join(server.name for server in facts.the.servers)
        yield passed(f"server {names} answers; argo's CLI needs ARGO_SERVER to use it, this tool does not")
    elif facts.the.was_read("Deployment"):
        yield warned(
            "no Argo server is installed: `argo archive` and the UI cannot show the archive",
            "no Deployment runs `argo server`",
        )
    else:
        yield skipped("workloads could not be listed")


@check(
    "A09", "Large workflows have room", Severity.MEDIUM, Need.CONFIG, Need.WORKFLOWS,
    symptom="`upper: no more rows in this result set`, `offload node status is not supported`, "
    "`workflow is longer than maximum allowed size`.",
    cause="An object of Kubernetes holds 1 MB at most; beyond that nodeStatusOffLoad is needed.",
    looks="Live workflows above 700 KB while persistence.nodeStatusOffLoad is not true.",
    fix="Set persistence.nodeStatusOffLoad: true and restart controller and server.",
)  # fmt: skip
def large_workflows(facts: Facts) -> Iterator[Outcome]:
    for controller in facts.controllers:
        persistence = controller.persistence
        if persistence and persistence.node_status_offload:
            yield passed(
                "nodes of large workflows are off-loaded into the database",
                str(at(persistence.origin("node_status_offload"))),
            )
            continue
        large = sorted((w for w in facts.api.workflows if w.bytes > 700_000), key=lambda w: -w.bytes)
        if large:
            names = some(f"{w}: {w.bytes / 1000:.0f} kB" for w in large)
            where = at(persistence.origin("node_status_offload") if persistence else controller.config_origin)
            yield warned(
                f"{count(len(large), 'workflow')} near the limit of 1 MB, and nodeStatusOffLoad is off",
                names,
                where=where,
            )
        else:
            yield passed("no live workflow is near the limit of 1 MB")


@check(
    "A10", "Every live workflow has a controller", Severity.HIGH, Need.CONFIG, Need.WORKFLOWS,
    symptom="A workflow has no phase or stays Pending for ever, without any error.",
    cause="It was submitted with an instance id that no controller has, or without the one that the controller wants.",
    looks="Label workflows.argoproj.io/controller-instanceid of unfinished workflows against the controllers'.",
    fix="Submit with --instanceid, or label the workflow: "
    "kubectl label workflow NAME workflows.argoproj.io/controller-instanceid=ID",
)  # fmt: skip
def has_controller(facts: Facts) -> Iterator[Outcome]:
    known = {each.instance_id for each in facts.controllers}
    alone = [
        w for w in facts.api.workflows if not w.completed and w.phase in ("", "Pending") and w.instance_id not in known
    ]
    if alone:
        names = some(f"{w}: instance id '{w.instance_id}'" for w in alone)
        ids = ", ".join(f"'{each}'" for each in sorted(known))
        yield failed(
            f"{count(len(alone), 'workflow')} wait for a controller that does not exist",
            f"controllers have instance id {ids}\n{names}",
        )
    else:
        yield passed(f"every live workflow belongs to one of {count(len(known), 'instance id')}")
