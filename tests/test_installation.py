"""The model of a set-up, read from files: both layouts, positions, and everything that Argo would refuse."""

from __future__ import annotations

import json
from textwrap import dedent, indent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubectl_argo_archive.argo.choice import choose_controller
from kubectl_argo_archive.argo.decode import SecretKeyRef, Ttl
from kubectl_argo_archive.argo.installation import Installation, Unread, read_installation
from kubectl_argo_archive.argo.objects import ManifestObject
from kubectl_argo_archive.argo.persistence import PostgreSQL
from kubectl_argo_archive.argo.repository import RepositoryRef
from kubectl_argo_archive.argo.versions import Version
from kubectl_argo_archive.cluster.yaml_text import parse_documents, parse_yaml
from kubectl_argo_archive.errors import ClusterError, ConfigError

CONFIG = {
    "instanceID": "prod",
    "parallelism": "10",
    "retentionPolicy": "completed: 10\nfailed: 3",
    "persistence": """\
        # kept for a year
        archive: true
        archiveTTL: 365d
        clusterName: west
        nodeStatusOffLoad: true
        skipMigration: false
        archiveLabelSelector:
          matchLabels: {keep: "yes"}
          matchExpressions:
          - {key: team, operator: In, values: [risk, data]}
          - {key: scratch, operator: DoesNotExist}
        connectionPool: {maxIdleConns: 5, maxOpenConns: 10, connMaxLifetime: 300s}
        connectionTimeoutSeconds: 7
        reconnectionConfig: {maxRetries: 3, baseDelaySeconds: 1, maxDelaySeconds: 9, retryMultiple: 1.5}
        postgresql:
          host: db.example.com
          port: 6432
          database: argo
          tableName: argo_workflows
          ssl: true
          sslMode: verify-full
          userNameSecret: {name: pg, key: username}
          passwordSecret: {name: pg, key: password}
          awsRDSToken: {enabled: true, region: eu-central-1}
          azureToken: {enabled: false, scope: "https://scope"}""",
    "artifactRepository": """\
        archiveLogs: true
        s3:
          endpoint: minio:9000
          bucket: logs
          region: eu-central-1
          insecure: true
          accessKeySecret: {name: s3, key: id}
          secretKeySecret: {name: s3, key: secret}
          sessionTokenSecret: {name: s3, key: token}
          roleARN: arn:aws:iam::1:role/x
          useSDKCreds: true
          createBucketIfNotPresent: {objectLocking: true}
          encryptionOptions:
            enableEncryption: true
            kmsKeyId: k
            kmsEncryptionContext: c
            serverSideCustomerKeySecret: {name: sse, key: key}
          caSecret: {name: ca, key: ca.crt}
          addressingStyle: path
          keyPrefix: old/""",
    "workflowDefaults": """\
        metadata: {labels: {keep: "yes"}}
        spec:
          archiveLogs: true
          ttlStrategy: {secondsAfterCompletion: 60}
          podGC: {strategy: OnPodCompletion}
          artifactRepositoryRef: {configMap: my-repositories, key: main}""",
}


def config_map(layout: str = "keys", **changed: str) -> str:
    texts = {name: dedent(text) for name, text in (CONFIG | changed).items() if text}
    if layout == "keys":
        data = "".join(
            f"  {name}: |\n{indent(text, '    ')}\n" if "\n" in text else f"  {name}: {json.dumps(text)}\n"
            for name, text in texts.items()
        )
    else:
        whole = "".join(
            f"{name}:\n{indent(text, '  ')}\n" if "\n" in text else f"{name}: {text}\n" for name, text in texts.items()
        )
        data = f"  config: |\n{indent(whole, '    ')}"
    return f"kind: ConfigMap\nmetadata: {{name: workflow-controller-configmap, namespace: argo}}\ndata:\n{data}"


def read(*texts: str, file: str | None = "a.yaml") -> Installation:
    objects = [ManifestObject(document, file=file) for text in texts for document in parse_documents(dedent(text))]
    return read_installation(objects, parse_yaml)


def workload(
    name: str, image: str, *, args: str = "[]", command: str = "[]", extra: str = "", space: str = "argo"
) -> str:
    return f"""
kind: Deployment
metadata: {{name: {name}, namespace: {space}, labels: {{{extra}}}}}
spec:
  template:
    spec:
      serviceAccountName: sa
      containers:
      - {{name: sidecar, image: proxy:1}}
      - {{name: c, image: "{image}", command: {command}, args: {args}, env: [{{name: TZ, value: Asia/Tokyo}}]}}
"""


@pytest.mark.parametrize("layout", ["keys", "config"])
def test_everything_is_read_and_knows_where_it_stands(layout: str) -> None:
    text = config_map(layout)
    installation = read(text)
    assert installation.problems == ()
    (controller,) = installation.controllers
    assert controller.config is not None
    assert controller.config.layout == layout
    assert (controller.instance_id, controller.config.parallelism) == ("prod", 10)
    assert controller.config.retention_policy is not None
    assert controller.config.retention_policy.completed == 10
    persistence = controller.persistence
    assert persistence is not None
    assert persistence.archive is persistence.node_status_offload is True
    assert persistence.skip_migration is False
    assert persistence.archive_ttl == Ttl("365d", 365 * 86400)
    assert persistence.effective_cluster_name == "west"
    assert persistence.connection_pool is not None
    assert persistence.connection_pool.conn_max_lifetime == Ttl("300s", 300)
    assert persistence.reconnection_config is not None
    assert persistence.reconnection_config.retry_multiple == 1.5
    database = persistence.postgresql
    assert database is not None
    assert persistence.database is database
    assert (database.address, database.login) == (("db.example.com", 6432), "aws")
    assert database.user_name_secret == SecretKeyRef(name="pg", key="username")
    repository = controller.artifact_repository
    assert repository is not None
    assert repository.s3 is repository.store
    assert repository.s3 is not None
    assert repository.s3.pattern == "old/{{workflow.name}}/{{pod.name}}"
    assert len(repository.s3.secrets) == 5
    defaults = controller.config.workflow_defaults
    assert defaults is not None
    assert defaults.spec is not None
    assert defaults.spec.artifact_repository_ref == RepositoryRef(config_map="my-repositories", key="main")

    lines = text.splitlines()
    section = f"data.{'config.' if layout == 'config' else ''}persistence"
    for owner, field, key, path in (
        (persistence, "archive_ttl", "archiveTTL:", f"{section}.archiveTTL"),
        (database, "host", "host:", f"{section}.postgresql.host"),
        (database.user_name_secret, "key", "userNameSecret:", f"{section}.postgresql.userNameSecret.key"),
        (
            persistence.archive_label_selector,
            "match_labels",
            "matchLabels:",
            f"{section}.archiveLabelSelector.matchLabels",
        ),
    ):
        origin = owner.origin(field)
        assert (origin.file, origin.object, origin.path) == (
            "a.yaml",
            "ConfigMap argo/workflow-controller-configmap",
            path,
        )
        assert origin.line is not None
        assert key in lines[origin.line - 1], (field, origin.line)
    absent = database.origin("azure_token").child("x")
    assert absent.path.endswith("postgresql.azureToken.x")
    assert not persistence.is_set("mysql")
    assert persistence.origin("mysql").path == f"{section}.mysql"


def test_the_same_set_up_is_equal_wherever_and_however_it_is_written() -> None:
    keys, whole = read(config_map("keys")), read(config_map("config"))
    assert keys == whole
    live = read_installation([ManifestObject(each.root.value) for each in keys.objects], parse_yaml)
    assert live == keys
    assert str(live.controllers[0].persistence.origin("archive")) == (  # type: ignore[union-attr]
        "ConfigMap argo/workflow-controller-configmap: data.persistence.archive"
    )
    assert read(config_map(persistence="archive: false\n")) != keys


def test_the_label_selector() -> None:
    persistence = read(config_map()).controllers[0].persistence
    assert persistence is not None
    good = {"keep": "yes", "team": "risk"}
    assert persistence.archives(good)
    assert not persistence.archives(good | {"scratch": ""})
    assert not persistence.archives(good | {"team": "web"})
    assert not persistence.archives({"team": "data"})


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30d", 30 * 86400), ("12h", 43200), ("5m", 300), ("45s", 45), ("", 0), ("0", 0), ("-1d", -86400),
        ("1h30m", None), ("1.5d", None), ("2w", None), ("240h0m0s", None), ("30", None), ("d", None), ("30D", None),
    ],
)  # fmt: skip
def test_durations_are_those_that_argo_takes(text: str, seconds: int | None) -> None:
    assert Ttl.parse(text) == Ttl(text, seconds)


@pytest.mark.parametrize(
    ("changed", "code", "nearest", "shown"),
    [
        ({"persistence": "archiv: true\n"}, "unknown-key", "archive", "archiv: true"),
        ({"persistence": "nodeStatusOffload: true\n"}, "key-case", "nodeStatusOffLoad", "nodeStatusOffload"),
        ({"persistence": 'archive: "true"\npostgresql: {}\n'}, "wrong-type", None, "archive:"),
        ({"persistence": 'archive: true\npostgresql:\n  port: "5432"\n'}, "wrong-type", None, "port:"),
        ({"persistence": "archive: true\narchiveTTL: 30\n"}, "wrong-type", None, "archiveTTL: 30"),
        ({"persistence": "archive: true\npostgresql: []\n"}, "wrong-type", None, "postgresql: []"),
        ({"persistence": "archive: true\narchive: false\n"}, "duplicate-key", None, "archive: false"),
        ({"persistence": "archive: true\n  host: [\n"}, "bad-yaml", None, "host: ["),
        ({"persistence": "persistence:\n  archive: true\n"}, "misplaced", "persistence", "persistence:"),
        ({"persistence": "", "controller": "persistence:\n  archive: 1\n"}, "misplaced", "persistence", "persistence:"),
        ({"persistance": "archive: true\n"}, "unknown-key", "persistence", "persistance:"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("layout", ["keys", "config"])
def test_what_argo_refuses_is_a_problem_at_its_line(
    layout: str, changed: dict[str, str], code: str, nearest: str | None, shown: str
) -> None:
    text = config_map(layout, **changed)
    problems = [each for each in read(text).problems if each.code == code]
    assert problems, read(text).problems
    if nearest:
        assert problems[0].nearest == nearest
    line = problems[0].origin.line
    assert line is not None
    if code != "bad-yaml":
        assert shown in text.splitlines()[line - 1]
    else:
        assert abs(line - next(n for n, each in enumerate(text.splitlines(), 1) if shown in each)) <= 2


def test_the_two_layouts_at_once_are_refused() -> None:
    text = config_map("config") + "  persistence: |\n    archive: true\n"
    installation = read(text)
    assert [each.code for each in installation.problems] == ["mixed-layout"]
    assert installation.controllers[0].config.layout == "mixed"  # type: ignore[union-attr]


def test_a_problem_never_repeats_a_value() -> None:
    text = config_map(persistence="archive: hunter2\npostgresql: hunter2\nhunter: [\n")
    text += "  s3: |\n    accessKey: hunter2\n"
    assert "hunter2" not in repr(read(text).problems)


def test_values_without_quotes_are_read_as_go_reads_them() -> None:
    document = parse_yaml("a: 1:30\nb: 2026-03-01\nc: yes\nd: 0x10\ne: 1_000\nf: ~\n1: x\ntrue: y\n")
    assert document.value == {
        "a": "1:30", "b": "2026-03-01", "c": True, "d": 16, "e": 1000, "f": None, "1": "x", "true": "y",
    }  # fmt: skip


def test_anchors_that_multiply_and_documents_without_end_are_no_yaml() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9))
    assert parse_yaml(bomb).error == "it is nested too deeply or too large"
    assert parse_yaml("a: &a\n  b: *a\n").error is not None
    assert parse_yaml("[" * 5000).error is not None
    assert parse_yaml("a: 1\n---\nb: 2\n").error == "it holds more than one document"
    assert parse_yaml("").value is None


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["kind", "metadata", "name", "data", "spec", "template", "containers", "image", "env", "persistence",
                 "labels", "annotations", "volumes", "ports", "s3", "archiveTTL", "config", "args", "templates"]
            ),
            inner,
            max_size=5,
        ),
        max_leaves=25,
    ),
    st.sampled_from(
        ["ConfigMap", "Deployment", "Secret", "Service", "CronWorkflow", "WorkflowTemplate", "PersistentVolume", "Pod",
         "PersistentVolumeClaim", "ExternalSecret", "SealedSecret", "StatefulSet"]
    ),
)  # fmt: skip
def test_no_object_is_too_odd_to_be_read(value: object, kind: str) -> None:
    body = {**(value if isinstance(value, dict) else {"data": value, "spec": value}), "kind": kind}
    repr(read_installation([ManifestObject(body)], parse_yaml))


class TestProcesses:
    def test_plain_manifests(self) -> None:
        i = read(
            workload("workflow-controller", "quay.io/x/controller:v3.5.10", command="[workflow-controller]"),
            workload("argo-server", "quay.io/argoproj/argocli:v3.5.10@sha256:00",
                     args="[server, --auth-mode, sso, --auth-mode=client]"),
            workload("postgres", "postgres:17"),
            config_map(),
        )  # fmt: skip
        (controller,), (server,), (postgres,) = i.controllers, i.servers, i.workloads
        assert (controller.version, controller.chart, controller.namespaced) == (Version(3, 5, 10), "manifests", False)
        assert controller.env == {"TZ": "Asia/Tokyo"}
        assert controller.service_account == "sa"
        assert controller.persistence is not None
        assert controller.managed_namespace is None
        assert (server.version, server.auth_modes, server.secure) == (Version(3, 5, 10), ("sso", "client"), True)
        assert postgres.name == "postgres"

    def test_helm(self) -> None:
        labels = "helm.sh/chart: argo-workflows-0.45.1, app.kubernetes.io/version: v3.6.2"
        args = "[--configmap, my-argo-workflows-workflow-controller-configmap, --loglevel, info, --namespaced=false]"
        name = "my-argo-workflows-workflow-controller"
        controller = read(
            workload(name, "quay.io/argoproj/workflow-controller", args=args, extra=labels),
            config_map("config").replace("workflow-controller-configmap", f"{name}-configmap"),
        ).controllers[0]
        assert (controller.chart, controller.version, controller.namespaced) == ("helm", Version(3, 6, 2), False)
        assert controller.config_map == "my-argo-workflows-workflow-controller-configmap"
        assert controller.persistence is not None

    def test_bitnami(self) -> None:
        controller = read(
            workload("x-argo-workflows-controller", "docker.io/bitnami/argo-workflow-controller:3.6.4-debian-12-r0",
                     args='["--configmap=x-argo-workflows-controller"]'),
            workload("x-argo-workflows-server", "docker.io/bitnami/argo-workflow-cli:3.6.4",
                     args="[server, --secure=false]"),
        )  # fmt: skip
        assert controller.controllers[0].chart == "bitnami"
        assert controller.controllers[0].version == Version(3, 6, 4)
        assert controller.controllers[0].config is None
        assert not controller.servers[0].secure

    def test_a_namespaced_install_and_another_managed_namespace(self) -> None:
        image = "quay.io/argoproj/workflow-controller:latest"
        own, other = read(
            workload("a", image, args="[--namespaced]"),
            workload("b", image, args='[--namespaced, --managed-namespace, "jobs"]'),
        ).controllers
        assert (own.managed_namespace, other.managed_namespace) == ("argo", "jobs")
        assert own.version is None

    def test_pods_of_a_deployment_are_no_installation_of_their_own(self) -> None:
        pod = """
            kind: Pod
            metadata: {name: workflow-controller-1, namespace: argo, ownerReferences: [{kind: ReplicaSet, name: x}]}
            spec: {containers: [{name: c, image: "quay.io/argoproj/workflow-controller:v4.1.2"}]}
            """
        assert read(pod).controllers == ()
        assert len(read(pod.replace(", ownerReferences: [{kind: ReplicaSet, name: x}]", "")).controllers) == 1


class TestChoice:
    IMAGE = "quay.io/argoproj/workflow-controller:v4.1.2"

    def several(self) -> Installation:
        one = config_map(instanceID="one")
        two = (
            config_map(instanceID="two")
            .replace("namespace: argo", "namespace: other")
            .replace("db.example", "db2.example")
        )
        return read(workload("c1", self.IMAGE), one, workload("c2", self.IMAGE, space="other"), two)

    def test_several_controllers_are_named_and_one_must_be_chosen(self) -> None:
        with pytest.raises(ConfigError) as error:
            choose_controller(self.several())
        assert "there are 2 controllers: argo/c1 (instance id one), other/c2 (instance id two)" in error.value.message
        assert "--argo-namespace" in (error.value.hint or "")

    @pytest.mark.parametrize("wanted", ["c2", "other/c2", "two"])
    def test_one_is_chosen_by_name_or_instance_id(self, wanted: str) -> None:
        assert choose_controller(self.several(), wanted).name == "other/c2"

    def test_a_name_that_is_none(self) -> None:
        with pytest.raises(ConfigError, match="no controller is called three"):
            choose_controller(self.several(), "three")

    def test_controllers_of_one_database_are_one(self) -> None:
        i = read(workload("c1", self.IMAGE), workload("c2", self.IMAGE), config_map())
        assert choose_controller(i).name == "argo/c1"

    def test_none_and_why(self) -> None:
        refused = Unread("list deployments.apps", "Deployment", None, None, "not allowed to list deployments.apps")
        with pytest.raises(ClusterError, match=r"no controller .* not allowed to list") as error:
            choose_controller(Installation(unread=(refused,)))
        assert error.value.hint


class TestRepositories:
    MAPS = """
        kind: ConfigMap
        metadata:
          name: artifact-repositories
          namespace: team
          annotations: {workflows.argoproj.io/default-artifact-repository: main}
        data:
          main: |
            archiveLogs: false
            s3: {bucket: teams}
          other: |
            gcs: {bucket: google, keyFormat: x}
          broken: "["
        ---
        kind: ConfigMap
        metadata: {name: artifact-repositories, namespace: no-default}
        data: {main: "s3: {bucket: nobody}"}
        ---
        kind: ConfigMap
        metadata: {name: my-repositories, namespace: argo}
        data: {main: "azure: {container: blue, blobNameFormat: y}"}
        """

    @pytest.mark.parametrize(
        ("namespace", "ref", "bucket", "outcomes"),
        [
            ("team", None, "teams", ["found"]),
            ("no-default", None, "logs", ["no such key", "found"]),
            ("elsewhere", None, "logs", ["no such map", "found"]),
            ("team", RepositoryRef(key="other"), "google", ["found"]),
            ("team", RepositoryRef(key="broken"), None, ["unreadable"]),
            ("team", RepositoryRef(config_map="my-repositories", key="main"), "blue", ["no such map", "found"]),
            ("team", RepositoryRef(key="missing"), None, ["no such key", "no such map"]),
        ],
    )
    def test_the_order_of_resolution(
        self, namespace: str, ref: RepositoryRef | None, bucket: str | None, outcomes: list[str]
    ) -> None:
        installation = read(config_map(), self.MAPS)
        resolved = installation.repository(installation.controllers[0], namespace, ref)
        store = resolved.store
        assert (getattr(store, "bucket", None) or getattr(store, "container", None) if store else None) == bucket
        assert [each.outcome for each in resolved.attempts] == outcomes

    def test_the_kind_that_argo_takes_if_there_are_several(self) -> None:
        text = config_map(artifactRepository="s3: {bucket: a}\ngcs: {bucket: b}\n")
        store = read(text).controllers[0].artifact_repository.store  # type: ignore[union-attr]
        assert store is not None
        assert store.kind == "gcs"


def test_what_a_set_up_stands_on() -> None:
    i = read("""
        kind: Secret
        metadata: {name: pg, namespace: argo}
        stringData: {username: u, password: hunter2}
        ---
        kind: ExternalSecret
        metadata: {name: s3-external, namespace: argo}
        spec: {target: {name: s3}, data: [{secretKey: id}, {secretKey: secret}]}
        ---
        kind: SealedSecret
        metadata: {name: sealed, namespace: argo}
        spec: {encryptedData: {key: AgB}}
        ---
        kind: PersistentVolumeClaim
        metadata: {name: data, namespace: argo}
        spec: {accessModes: [ReadWriteOnce], volumeName: pv, resources: {requests: {storage: 20Gi}}}
        ---
        kind: PersistentVolume
        metadata: {name: pv, labels: {a: b}}
        spec: {capacity: {storage: 20Gi}, nfs: {server: x, path: /}, claimRef: {namespace: argo, name: data}}
        ---
        kind: Service
        metadata: {name: db, namespace: argo}
        spec: {type: ExternalName, externalName: db.example.com, ports: [{port: 5432}, {port: 80, targetPort: http}]}
        ---
        kind: CronWorkflow
        metadata: {name: nightly, namespace: team}
        spec:
          schedules: ["0 3 * * *", "0 5 * * *"]
          failedJobsHistoryLimit: 7
          workflowMetadata: {labels: {keep: "yes"}}
          workflowSpec: {archiveTTL: 3d, podGC: {strategy: OnPodSuccess}}
        """)
    assert i.has_key("argo", SecretKeyRef(name="pg", key="password")) is True
    assert i.has_key("argo", SecretKeyRef(name="pg", key="Password")) is False
    assert i.has_key("argo", SecretKeyRef(name="s3", key="id")) is True
    assert i.has_key("argo", SecretKeyRef(name="nothing", key="id")) is False
    assert i.secret("argo", "pg").plain  # type: ignore[union-attr]
    assert "hunter2" not in repr(i)
    assert "hunter2" not in repr(i.objects)
    assert i.volumes[0].source == "nfs"
    assert i.volumes[0].claim == ("argo", "data")
    assert (i.claims[0].volume, i.claims[0].storage, i.claims[0].phase) == ("pv", "20Gi", None)
    assert i.services[0].ports == {5432: 5432, 80: "http"}
    cron = i.crons[0]
    assert (cron.successful_limit, cron.failed_limit, len(cron.schedules)) == (3, 7, 2)
    assert cron.spec.archive_ttl == "3d"
    assert cron.limits_origin.file == "a.yaml"


def test_what_was_not_read_is_not_taken_for_absent() -> None:
    unread = Unread("get secrets", "Secret", "argo", None, "forbidden")
    i = Installation(unread=(unread,))
    assert i.has_key("argo", SecretKeyRef(name="pg", key="x")) is None
    assert i.has_key("team", SecretKeyRef(name="pg", key="x")) is False


@pytest.mark.parametrize(
    ("version", "ssl", "mode", "effective"),
    [
        ("v3.4.17", None, None, "disable"), ("v3.4.17", True, None, "disable"), ("v3.4.17", True, "require", "require"),
        ("v3.5.10", False, None, "prefer"), ("v3.5.10", False, "require", "prefer"),
        ("v4.0.9", True, "verify-ca", "verify-ca"), ("v4.1.0", False, "require", "disable"),
        ("v4.1.0", True, None, "prefer"), ("latest", None, None, "disable"),
    ],
)  # fmt: skip
def test_the_ssl_mode_depends_on_the_release(version: str, ssl: bool | None, mode: str | None, effective: str) -> None:
    assert PostgreSQL(ssl=ssl, ssl_mode=mode).effective_ssl_mode(Version.parse(version)) == effective
