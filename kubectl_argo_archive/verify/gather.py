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
from kubectl_argo_archive.argo.log_keys import LogStore
from kubectl_argo_archive.argo.persistence import MySQL
from kubectl_argo_archive.checks.check import Need
from kubectl_argo_archive.checks.facts import Facts
from kubectl_argo_archive.checks.facts_cluster import Cluster, LiveWorkflow
from kubectl_argo_archive.checks.facts_database import Connection, Database
from kubectl_argo_archive.checks.facts_storage import Bucket, LakeFacts, Logs
from kubectl_argo_archive.cluster.client import KubeClient
from kubectl_argo_archive.cluster.discover import discover
from kubectl_argo_archive.cluster.forward import Tell
from kubectl_argo_archive.errors import (
    ArgoArchiveError,
    ClusterError,
    ClusterForbidden,
    StorageError,
    StorageUnreachable,
    UnreachableError,
)
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
        self._installation = Installation()
        self._lake_error: ArgoArchiveError | None = None
        self._lost_buckets: list[Bucket] = []
        self._lost_connection: Connection | None = None

    def run(self) -> Gathered:
        scope = self._scope
        machine = start(lambda: look_at_machine(scope.config, scope.lake), "machine")
        lakes_bucket = start(self._lake_bucket, "lake's bucket") if scope.lake else None
        lake = start(partial(self._lake, lakes_bucket), "lake") if lakes_bucket else None
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
        found += self._lost_buckets
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
        if "workflows" in self._probe.unread and spaces == [None]:
            # not allowed everywhere: then where we are at home, and where Argo is
            workflows, truncated = self._probe.workflows_of(
                {client.access.namespace, *(c.namespace for c in installation.controllers)}
            )
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
        self._installation = installation
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
        stores = self._stack.enter_context(opening)
        if stores.refused:
            self._missing[Need.BUCKET] = "; ".join(stores.refused)
        self._lost_buckets = stores.lost
        heads = {each.access.bucket: each for each in stores.found}
        self._got.heads = Heads(heads, self._scope.connect_timeout)
        return stores.found, live

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
            if self._only_the_server_is_lost(controller, error):
                persistence = controller.persistence
                assert persistence is not None
                assert persistence.database is not None
                host, port = persistence.database.address
                self._lost_connection = Connection(
                    f"{host}:{port}/{persistence.database.database}", "tcp", error.message, error.hint or "",
                    told_by=str(persistence.database.origin()),
                )  # fmt: skip
            self._missing[Need.CONNECTION] = self._missing[Need.DATABASE] = (
                f"the controller's database cannot be reached from here: {error.message}"
            )

    def _only_the_server_is_lost(self, controller: Controller, error: ArgoArchiveError) -> bool:
        """Neither a Secret nor a right is missing: the database behind the Service does not run."""
        database = controller.persistence.database if controller.persistence else None
        if database is None or isinstance(error, ClusterForbidden) or not isinstance(error, ClusterError):
            return False
        refs = [ref for ref in (database.user_name_secret, database.password_secret) if ref]
        return bool(refs) and all(self._installation.has_key(controller.namespace, ref) for ref in refs)

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
        return self._lost_connection, None

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
            lambda: look_at_logs(
                database.ask_for_documents(way, self._scope.statement_timeout), usable, self._store_today
            ),
            "logs",
        )

    def _store_today(self, namespace: str) -> LogStore | None:
        """The store that workflows of a namespace get now."""
        controller = self._got.controller
        store = self._installation.repository(controller, namespace).store if controller else None
        bucket = getattr(store, "bucket", None)
        return LogStore(store.kind, bucket) if store and bucket else None

    # the lake

    def _lake(self, asked: Future[Bucket | None]) -> LakeFacts:
        """The lake, once its bucket has answered: delta-rs waits long, and holds up every thread meanwhile."""
        from kubectl_argo_archive.verify.lake_probe import look_at_lake  # Arrow and delta-rs: only if there is a lake

        bucket = asked.result()
        try:
            if bucket is not None and not bucket.works:
                answered = bucket.failed_at in ("keys", "denied", "missing", "region", "other")
                raise (StorageError if answered else StorageUnreachable)(bucket.message, bucket.hint)
            return look_at_lake(self._scope.lake or "", self._scope.config)
        except UnreachableError as error:
            self._got.unreachable["lake"] = error
            raise

    def _lake_bucket(self) -> Bucket | None:
        scope = self._scope
        return lake_bucket(scope.lake or "", scope.config, write_probes=scope.write_probes,
                           timeout=scope.connect_timeout)  # fmt: skip
