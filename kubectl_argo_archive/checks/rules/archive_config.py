"""Is the archive switched on? What the controller's configuration alone tells."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_argo_archive.argo.controller import Controller
from kubectl_argo_archive.argo.decode import Problem
from kubectl_argo_archive.checks.check import Need, Outcome, check, failed, passed, skipped, warned
from kubectl_argo_archive.checks.facts import Facts
from kubectl_argo_archive.checks.finding import Severity
from kubectl_argo_archive.checks.words import at, count, edit, percent, some, span

_SECRET_SHAPE = ("accessKeySecret", "secretKeySecret", "userNameSecret", "passwordSecret", "sessionTokenSecret")


def problems(facts: Facts, *kinds: str) -> list[Problem]:
    """The problems of the configuration that a check is about; each problem belongs to one check."""
    return [each for each in facts.the.problems if _kind(each) in kinds]


def _kind(problem: Problem) -> str:
    path = problem.origin.path
    parent = path.rpartition(".")[0].rpartition(".")[2]
    if path.endswith("archiveTTL"):
        return "ttl"
    if problem.code == "unknown-key" and parent in _SECRET_SHAPE:
        return "secret-shape"
    if problem.code in ("misplaced", "mixed-layout", "key-case"):
        return "place"
    if problem.code == "unknown-key" and (problem.nearest in ("persistence", "artifactRepository")):
        return "place"
    return "parse"


def _misplaced(facts: Facts) -> bool:
    return any(each.code == "misplaced" or each.nearest == "persistence" for each in problems(facts, "place"))


@check(
    "A01", "The archive is switched on", Severity.CRITICAL, Need.CONFIG,
    symptom="The controller logs `Workflow archiving is disabled`; the UI's archive is empty.",
    cause="The persistence block is missing, or it lacks `archive: true` (charts carry it commented out, or as false).",
    looks="persistence.archive in the ConfigMap of every controller.",
    fix="persistence: {archive: true, …} in the controller's ConfigMap, then restart controller and server.",
)  # fmt: skip
def archive_is_on(facts: Facts) -> Iterator[Outcome]:
    for controller in facts.controllers:
        persistence = controller.persistence
        where = at(persistence.origin("archive") if persistence else controller.config_origin)
        if persistence is None and _misplaced(facts):
            yield skipped(f"the persistence block of {controller.label()} stands at the wrong place: see A02")
        elif persistence is None:
            fix = edit(controller, "add a persistence block with archive: true")
            yield failed(
                f"{controller.label()} has no persistence block: nothing is archived",
                f"{controller.config_origin.object} has no key persistence",
                fix,
                where=where,
            )
        elif persistence.archive is not True:
            written = "archive: false" if persistence.archive is False else "archive is not set"
            yield failed(
                f"{controller.label()} archives nothing",
                f"{where}: {written}",
                edit(controller, "persistence.archive: true"),
                where=where,
            )
        else:
            yield passed(f"{controller.label()} archives workflows", f"{where}: true", where=where)


@check(
    "A02", "The configuration stands where Argo looks for it", Severity.CRITICAL, Need.CONFIG,
    symptom="The controller logs `Persistence configuration disabled` although a persistence block was written.",
    cause="The block stands under another key or too far to the right, or one key per section and a single key "
    "`config` are mixed; with Helm it belongs under `controller.persistence`.",
    looks="Both layouts of the ConfigMap, searched for persistence and artifactRepository at any depth.",
    fix="Move the block to the top of the configuration: key `persistence` of the ConfigMap's data, or of the text "
    "under its single key `config`.",
)  # fmt: skip
def right_place(facts: Facts) -> Iterator[Outcome]:
    for problem in problems(facts, "place"):
        nearest = f"write {problem.nearest}" if problem.nearest and problem.code != "misplaced" else None
        say = warned if problem.code == "key-case" else failed
        yield say(problem.message, str(problem.origin), nearest, where=at(problem.origin))


@check(
    "A04", "The label selector of the archive lets workflows through", Severity.HIGH, Need.CONFIG,
    symptom="The controller logs `Doesn't match with archive label selector. Skipping Archive`.",
    cause="`archiveLabelSelector` demands a label that workflows do not carry.",
    looks="The selector against the labels of live finished workflows, of crons and templates, and workflowDefaults.",
    fix="Remove persistence.archiveLabelSelector, or put the label into workflowDefaults.metadata.labels.",
)  # fmt: skip
def selector_matches(facts: Facts) -> Iterator[Outcome]:
    for controller in facts.controllers:
        persistence = controller.persistence
        selector = persistence.archive_label_selector if persistence else None
        if persistence is None or selector is None:
            yield passed(f"{controller.label()} archives workflows whatever their labels")
            continue
        where = at(persistence.origin("archive_label_selector"))
        asked = _asked(selector)
        seen = _labels_seen(facts, controller)
        refused = [name for name, labels in seen if not selector.matches(labels)]
        fix = edit(
            controller, "drop archiveLabelSelector, or set the label in workflowDefaults.metadata.labels", restart=False
        )
        if not seen:
            yield passed(f"archived are workflows with {asked}; none was seen to compare", str(where), where=where)
        elif refused:
            share = f"{percent(len(seen) - len(refused), len(seen))} of {count(len(seen), 'workflow')} match {asked}"
            say = failed if len(refused) == len(seen) else warned
            yield say(
                f"{count(len(refused), 'workflow')} will never be archived: they lack {asked}",
                f"{share}; not matching:\n{some(refused)}",
                fix,
                where=where,
                details={"refused": refused, "seen": len(seen)},
            )
        else:
            yield passed(f"all {len(seen)} workflows seen match {asked}", str(where), where=where)


def _asked(selector: object) -> str:
    labels = getattr(selector, "match_labels", None) or {}
    parts = [f"{name}={value}" for name, value in labels.items()]
    for each in getattr(selector, "match_expressions", ()):
        values = f" ({', '.join(each.values)})" if each.values else ""
        parts.append(f"{each.key} {each.operator}{values}")
    return ", ".join(parts) or "any label"


def _labels_seen(facts: Facts, controller: Controller) -> list[tuple[str, dict[str, str]]]:
    """Labels of finished workflows; in files, those that crons and templates will give."""
    if facts.cluster is not None:
        mine = [each for each in facts.cluster.finished if each.instance_id == controller.instance_id]
        return [(str(each), dict(each.labels)) for each in mine]
    defaults = controller.config.workflow_defaults if controller.config else None
    given = dict((defaults and defaults.metadata and defaults.metadata.labels) or {})
    seen = [(f"CronWorkflow {c.namespace}/{c.name}", {**given, **c.labels}) for c in facts.the.crons]
    for source in facts.the.sources:
        own = (
            source.labels
            if source.kind == "Workflow"
            else ((source.spec.workflow_metadata and source.spec.workflow_metadata.labels) or {})
        )
        seen.append((f"{source.kind} {source.namespace}/{source.name}", {**given, **own}))
    return seen


@check(
    "A14", "archiveTTL can be read", Severity.CRITICAL, Need.CONFIG,
    symptom='The controller does not start: `strconv.Atoi: parsing "1h30": invalid syntax`, or `invalid TTL`.',
    cause="archiveTTL takes one whole number and one of d, h, m, s. `1h30m`, `2w`, `1.5d`, a bare number and even the "
    "controller's own `240h0m0s` are refused. Some guides put it into a workflow's spec, where nobody reads it.",
    looks="persistence.archiveTTL, and any archiveTTL in specs of workflows, templates and crons.",
    fix="Write persistence.archiveTTL as one number and one unit in quotes: \"30d\".",
)  # fmt: skip
def ttl_is_readable(facts: Facts) -> Iterator[Outcome]:
    for controller in facts.controllers:
        persistence = controller.persistence
        ttl = persistence.archive_ttl if persistence else None
        if persistence is None or ttl is None:
            if not problems(facts, "ttl"):
                yield passed(f"{controller.label()} keeps archived workflows for ever: archiveTTL is not set")
            continue
        where = at(persistence.origin("archive_ttl"))
        if ttl.seconds is None or ttl.seconds < 0:
            yield failed(
                f'archiveTTL "{ttl.text}" cannot be read: Argo takes one whole number and one of d, h, m, s',
                f"{where}: {ttl.text}",
                edit(controller, 'persistence.archiveTTL: "30d"'),
                where=where,
                details={"archiveTTL": ttl.text},
            )
        else:
            kept = f"{span(ttl.seconds)}" if ttl.seconds else "ever"
            yield passed(
                f"{controller.label()} keeps archived workflows for {kept}", f"{where}: {ttl.text}", where=where
            )
    known = {
        str(c.persistence.origin("archive_ttl"))
        for c in facts.controllers
        if c.persistence and c.persistence.archive_ttl
    }
    for problem in problems(facts, "ttl"):
        if str(problem.origin) not in known:
            yield failed(problem.message, str(problem.origin), where=at(problem.origin))
    for spec, name in [(c.spec, f"CronWorkflow {c.namespace}/{c.name}") for c in facts.the.crons] + [
        (s.spec, f"{s.kind} {s.namespace}/{s.name}") for s in facts.the.sources
    ]:
        if spec.is_set("archive_ttl"):
            place = at(spec.origin("archive_ttl"))
            yield warned(
                f"archiveTTL in the spec of {name} has no effect",
                str(place),
                "set it in persistence of the controller's ConfigMap",
                where=place,
            )


@check(
    "E22", "The persistence block is complete", Severity.CRITICAL, Need.CONFIG,
    symptom="The controller does not start: `TableName is empty`, or `no databases are configured`.",
    cause="persistence needs postgresql or mysql with host, database, tableName, userNameSecret and passwordSecret "
    "(the latter not with awsRDSToken or azureToken).",
    looks="The fields of the database block of every controller that archives.",
    fix="Complete persistence.postgresql: host, port, database, tableName: argo_workflows, userNameSecret, "
    "passwordSecret.",
)  # fmt: skip
def persistence_is_complete(facts: Facts) -> Iterator[Outcome]:
    for controller in facts.controllers:
        persistence = controller.persistence
        if persistence is None:
            yield skipped(f"{controller.label()} has no persistence block: see A01")
            continue
        database = persistence.database
        if database is None:
            yield failed(
                "persistence names no database",
                str(at(persistence.origin())),
                edit(controller, "add persistence.postgresql"),
                where=at(persistence.origin()),
            )
            continue
        wanted = ["host", "database", "table_name", "user_name_secret"]
        wanted += ["password_secret"] if getattr(database, "login", "password") == "password" else []
        names = {"table_name": "tableName", "user_name_secret": "userNameSecret", "password_secret": "passwordSecret"}
        missing = [names.get(name, name) for name in wanted if not getattr(database, name)]
        where = at(database.origin())
        if missing:
            yield failed(
                f"persistence.{database.kind} of {controller.label()} lacks {', '.join(missing)}",
                str(where),
                edit(controller, f"set {', '.join(missing)} in persistence.{database.kind}"),
                where=where,
            )
        else:
            host, port = database.address
            yield passed(
                f"{controller.label()} archives into {database.kind} {host}:{port}/{database.database}",
                str(where),
                where=where,
            )


@check(
    "E23", "The controller's configuration can be read", Severity.CRITICAL, Need.CONFIG,
    symptom="The controller does not start: `Failed to parse controller config map`, `unknown field`.",
    cause="Since v3.4 Argo reads its configuration strictly: one unknown or doubled key, or one value of a wrong "
    "type, and nothing of it is taken.",
    looks="Every key and type of the ConfigMaps of controllers and of artifact repositories.",
    fix="Correct the key or the value that is named.",
)  # fmt: skip
def configuration_parses(facts: Facts) -> Iterator[Outcome]:
    for problem in problems(facts, "parse"):
        fix = f"did you mean {problem.nearest}?" if problem.nearest else None
        yield failed(problem.message, str(problem.origin), fix, where=at(problem.origin))


@check(
    "E24", "Every controller and server has its ConfigMap", Severity.CRITICAL, Need.CONFIG,
    symptom="The controller ends with `configmaps \"workflow-controller-configmap\" not found`.",
    cause="`--configmap` names a map that does not exist in the namespace of the process.",
    looks="The ConfigMap that each controller's and server's arguments name.",
    fix="Create the ConfigMap in the namespace of the controller, or correct --configmap.",
)  # fmt: skip
def config_map_exists(facts: Facts) -> Iterator[Outcome]:
    maps = {(each.namespace, each.name) for each in facts.the.of_kind("ConfigMap")}
    for process in (*facts.the.controllers, *facts.the.servers):
        if not facts.live and process.workload is None:
            continue
        known = getattr(process, "config", None) is not None or (process.namespace, process.config_map) in maps
        place = f"ConfigMap {process.namespace}/{process.config_map}"
        if known:
            yield passed(f"{process.name} reads {place}", place)
        elif facts.live and facts.the.was_read("ConfigMap", process.namespace, process.config_map):
            yield failed(f"{process.name} reads {place}, which does not exist", place, where=at(process.origin))
        else:
            yield skipped(f"{place}, which {process.name} reads, could not be looked at")
