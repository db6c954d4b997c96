"""All probes at once, within one time limit; what does not come is missing with a reason."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from kubectl_argo_archive.argo.choice import choose_controller
from kubectl_argo_archive.argo.controller import Controller
from kubectl_argo_archive.argo.installation import Installation
from kubectl_argo_archive.argo.persistence import MySQL
from kubectl_argo_archive.checks.check import Need
from kubectl_argo_archive.checks.facts import Facts
from kubectl_argo_archive.checks.facts_cluster import Cluster, LiveWorkflow
from kubectl_argo_archive.checks.facts_database import Connection, Database
from kubectl_argo_archive.checks.facts_storage import Bucket, LakeFacts, Logs
from kubectl_argo_archive.cluster.client import KubeClient
from kubectl_argo_archive.cluster.discover import discover
from kubectl_argo_archive.cluster.forward import Tell
from kubectl_argo_archive.errors import ArgoArchiveError, ClusterForbidden, UnreachableError
from kubectl_argo_archive.verify import database_probe as database
from kubectl_argo_archive.verify.bucket_probe import Heads, Store, lake_bucket, open_stores
from kubectl_argo_archive.verify.cluster_probe import ClusterProbe
from kubectl_argo_archive.verify.concurrent import Deadline, start
from kubectl_argo_archive.verify.database_probe import Way, open_way
from kubectl_argo_archive.verify.log_probe import look_at_logs
from kubectl_argo_archive.verify.machine_probe import look_at_machine
from kubectl_argo_archive.verify.scope import Scope

T = TypeVar("T")


@dataclass
class Gathered:
    """Facts, and the ways that were opened to get them.

    Attributes:
        facts: what is known.
        unreachable: errors of what did not answer at all, by what it was.
        client: of the cluster, if there is one.
        controller: whose database and buckets were looked at.
        way: to the database.
        heads: asks the logs' buckets.
    """

    facts: Facts
    unreachable: dict[str, ArgoArchiveError] = field(default_factory=dict)
    client: KubeClient | None = None
    controller: Controller | None = None
    way: Way | None = None
    heads: Heads | None = None


@contextmanager
def gather(scope: Scope, tell: Tell) -> Iterator[Gathered]:
    """Ask everything that ``scope`` names; port-forwards stay open until the block ends.

    Args:
        scope: what to look at.
        tell: says what is done, for people.

    Raises:
        ConfigError: an option, the kubeconfig or the lake's location is wrong.
    """
    with ExitStack() as stack:
        gathering = _Gathering(scope, tell, stack)
        yield gathering.run()


class _Gathering:
    """One run: starts what can start, and collects in the order of need."""

    def __init__(self, scope: Scope, tell: Tell, stack: ExitStack) -> None:
        self._scope = scope
        self._tell = tell
        self._stack = stack
        self._deadline = Deadline(scope.timeout)
        self._missing: dict[Need, str] = {}
        self._got = Gathered(Facts())

    def run(self) -> Gathered:
        scope = self._scope
        machine = start(lambda: look_at_machine(scope.config, scope.lake), "machine")
        lake = start(lambda: self._lake(scope.lake or ""), "lake") if scope.lake else None
        lakes_bucket = start(lambda: self._lake_bucket(scope.lake or ""), "lake's bucket") if scope.lake else None
        own = Way(scope.source) if scope.source else None
        asked = self._start_database(own) if own else None

        installation, workflows, truncated = self._cluster()
        stores, live = self._leads(installation, workflows, truncated, asked is None)
        if asked is None and self._got.way:
            asked = self._start_database(self._got.way)
        elif own:
            self._got.way = own
        examine = partial(Store.examine, write_probes=scope.write_probes, timeout=scope.connect_timeout)
        buckets = [start(partial(examine, store), "bucket") for store in stores]
        connection, db = self._collect(asked, Need.CONNECTION) or self._no_connection()
        archived = self._archived(workflows, db)
        found = [bucket for future in buckets if (bucket := self._collect(future, Need.BUCKET))]
        logs = self._logs({bucket.name for bucket in found if bucket.works}, db)
        found += [bucket] if (bucket := self._collect(lakes_bucket, Need.BUCKET)) else []
        lake_facts, told_machine = self._collect(lake, Need.LAKE), self._collect(machine, Need.MACHINE)
        if told_machine and (error := self._got.unreachable.get("lake") or self._lake_error):
            told_machine = replace(told_machine, lake_error=error.message, lake_hint=error.hint or "")
        self._got.facts = Facts(
            installation=installation,
            live=installation is not None,
            cluster=self._collect(live, Need.CLUSTER),
            connection=connection,
            database=db,
            own_session=bool(db and own is None),
            archived=self._collect(archived, Need.DATABASE) if archived else None,
            buckets=tuple(found) or None,
            logs=self._collect(logs, Need.LOGS) if logs else None,
            lake=lake_facts,
            machine=told_machine,
            missing=self._missing,
        )
        return self._got

    _lake_error: ArgoArchiveError | None = None

    def _collect(self, future: Future[T] | None, need: Need) -> T | None:
        """The result; None, and the reason noted, if it does not come in time or is an error."""
        if future is None:
            return None
        try:
            return future.result(self._deadline.left)
        except TooLate:
            self._missing.setdefault(need, f"no answer within {self._deadline.seconds:.0f} s (--timeout)")
        except ArgoArchiveError as error:
            self._missing.setdefault(need, error.message)
            if need is Need.LAKE:
                self._lake_error = error
        return None

    # the cluster

    def _cluster(self) -> tuple[Installation | None, tuple[LiveWorkflow, ...], bool]:
        options = self._scope.kube
        if options is None:
            return None, (), False
        client = KubeClient.connect(options)
        self._stack.callback(client.close)
        self._got.client = client
        finding = start(lambda: self._discover(client), "cluster")
        try:
            return finding.result(self._deadline.left)
        except (ArgoArchiveError, TooLate) as error:
            ours = error if isinstance(error, ArgoArchiveError) else UnreachableError(
                f"the Kubernetes API at {client.access.server} did not answer within {self._deadline.seconds:.0f} s",
                "raise --timeout")  # fmt: skip
            self._got.unreachable["cluster"] = ours
            for need in (Need.CLUSTER, Need.CONFIG):
                self._missing[need] = ours.message
            return None, (), False

    def _discover(self, client: KubeClient) -> tuple[Installation, tuple[LiveWorkflow, ...], bool]:
        assert self._scope.kube is not None
        with suppress(ClusterForbidden):  # an API that is not there is said in one sentence
            client.version()
        installation = discover(client, namespace=self._scope.kube.namespace, everything=True)
        self._probe = ClusterProbe(client)
        managed = {c.managed_namespace for c in installation.controllers}
        limited = sorted(filter(None, managed)) if managed and None not in managed else []
        spaces: list[str | None] = [*(self._scope.namespaces or limited)] or [None]
        workflows, truncated = self._probe.workflows(spaces)
        seen = Facts(installation=installation)
        users = sorted({w.namespace for w in workflows} | set(seen.namespaces))
        homes = [c.namespace for c in installation.controllers]
        return self._probe.with_secrets(installation, users or homes), workflows, truncated

    def _leads(
        self, installation: Installation | None, workflows: tuple[LiveWorkflow, ...], truncated: bool, want_way: bool
    ) -> tuple[list[Store], Future[Cluster] | None]:
        """What the configuration leads to: its database, its buckets, and the rest of the cluster."""
        client = self._got.client
        if installation is None or client is None:
            return [], None
        live = start(lambda: self._probe.look(installation, workflows, truncated), "cluster")
        known = [c for c in installation.controllers if c.config is not None]
        if not known:
            self._missing.setdefault(Need.CONFIG, "no controller's configuration was found in the cluster")
            return [], live
        controller = self._got.controller = self._chosen(installation, known)
        if want_way:
            self._open_way(client, controller)
        users = sorted({w.namespace for w in workflows} | set(Facts(installation=installation).namespaces))
        opening = open_stores(client, installation, controller, users or [controller.namespace], self._tell)
        stores, refused = self._stack.enter_context(opening)
        if refused:
            self._missing[Need.BUCKET] = "; ".join(refused)
        heads = {each.access.bucket: each for each in stores}
        self._got.heads = Heads(heads, self._scope.connect_timeout)
        return stores, live

    def _chosen(self, installation: Installation, known: list[Controller]) -> Controller:
        """Whose database and buckets are looked at; the configuration of all others is judged too."""
        wanted = self._scope.kube.controller if self._scope.kube else None
        if wanted:
            return choose_controller(installation, wanted)
        if len(known) > 1:
            others = ", ".join(each.label() for each in known[1:])
            self._tell(f"database and buckets are those of {known[0].label()}; --controller chooses among {others}")
        return known[0]

    # the database

    def _open_way(self, client: KubeClient, controller: Controller) -> None:
        try:
            self._got.way = self._stack.enter_context(open_way(client, controller, self._tell))
        except ArgoArchiveError as error:
            self._missing[Need.CONNECTION] = self._missing[Need.DATABASE] = (
                f"the controller's database cannot be reached from here: {error.message}"
            )

    def _start_database(self, way: Way) -> Future[tuple[Connection, Database | None]]:
        scope = self._scope
        return start(lambda: database.ask_database(way, scope.statement_timeout, scope.connect_timeout), "database")

    def _no_connection(self) -> tuple[Connection | None, None]:
        if Need.CONNECTION in self._missing:
            self._missing.setdefault(Need.DATABASE, self._missing[Need.CONNECTION])
        found = self._got.controller and self._got.controller.persistence and self._got.controller.persistence.database
        if isinstance(found, MySQL):
            host, port = found.address
            return Connection(f"{host}:{port}/{found.database}", engine="mysql", told_by=str(found.origin())), None
        return None, None

    def _archived(self, workflows: tuple[LiveWorkflow, ...], db: Database | None) -> Future[frozenset[str]] | None:
        way = self._got.way
        if way is None or db is None or "argo_archived_workflows" not in db.tables:
            return None
        uids = [each.uid for each in workflows if each.completed and each.uid]
        return start(lambda: database.ask_for_uids(way, uids, self._scope.statement_timeout), "rows")

    def _logs(self, working: set[str], db: Database | None) -> Future[Logs] | None:
        way, heads = self._got.way, self._got.heads
        if way is None or db is None or not db.rows:
            self._missing[Need.LOGS] = "no archived workflow could be read"
            return None
        if heads is None or not working:
            reason = "the buckets of logs do not answer" if heads and heads.stores else "no bucket of logs is known"
            self._missing[Need.LOGS] = self._missing.get(Need.BUCKET, reason)
            return None
        usable = Heads({name: each for name, each in heads.stores.items() if name in working}, heads.timeout)
        return start(
            lambda: look_at_logs(database.ask_for_documents(way, self._scope.statement_timeout), usable), "logs"
        )

    # the lake

    def _lake(self, lake: str) -> LakeFacts:
        from kubectl_argo_archive.verify.lake_probe import look_at_lake  # Arrow and delta-rs: only if there is a lake

        try:
            return look_at_lake(lake, self._scope.config)
        except UnreachableError as error:
            self._got.unreachable["lake"] = error
            raise

    def _lake_bucket(self, lake: str) -> Bucket | None:
        return lake_bucket(lake, self._scope.config, write_probes=self._scope.write_probes,
                           timeout=self._scope.connect_timeout)  # fmt: skip
