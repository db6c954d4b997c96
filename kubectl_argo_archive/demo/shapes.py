"""The nine styles of pipelines that the generator knows; together they show everything that Argo can run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kubectl_argo_archive.demo.templates import GPU, LARGE, MIG, SMALL, Json, Task, Template
from kubectl_argo_archive.demo.vocabulary import Script

BY_PARAMETER = "{{inputs.parameters.image}}"
BY_WORKFLOW = "registry.company.example/{{workflow.parameters.mode}}/worker:{{workflow.parameters.release}}"


@dataclass(frozen=True, slots=True)
class Shape:
    """Templates and how they hang together.

    Attributes:
        templates: those of the spec; the first is the entrypoint.
        shared: those reached by ``templateRef``: resource, whether cluster-scoped, template.
        on_exit: template of the exit handler.
        hook: template of the workflow's lifecycle hook.
        cron: started by a CronWorkflow.
    """

    templates: tuple[Template, ...]
    shared: tuple[tuple[str, bool, Template], ...] = ()
    on_exit: str | None = None
    hook: str | None = None
    cron: bool = False


def _dag(name: str, *tasks: Task, inputs: tuple[str, ...] = ("date", "source", "mode")) -> Template:
    return Template(name, "dag", {}, inputs=inputs, groups=(tasks,))


def _steps(name: str, *groups: tuple[Task, ...], inputs: tuple[str, ...] = ("date", "source", "mode")) -> Template:
    return Template(name, "steps", {}, inputs=inputs, groups=groups)


def _plan(write: Script) -> Template:
    return Template("plan", "pod", write.script(), 12, SMALL, ("date", "mode"), ("target",), result=True)


def _http(name: str) -> Template:
    headers = [{"name": "Authorization", "valueFrom": {"secretKeyRef": {"name": "hook-token", "key": "token"}}}]
    body = '{"workflow":"{{workflow.name}}","status":"{{workflow.status}}"}'
    http = {"method": "POST", "url": "https://hooks.company.example/v1/runs", "headers": headers, "body": body}
    return Template(name, "http", {"http": http}, 2, {}, ("mode",), result=True)


def cleanup(write: Script) -> Shape:
    """One pod on a schedule."""
    body = write.script(lines=60)
    main = Template("main", "pod", body, 25, SMALL, ("date", "mode"), result=True, retries=None)
    return Shape((main,), cron=True)


def etl(write: Script) -> Shape:
    """A DAG: plan, extract each part with retries, transform, check (memoised), load, tell somebody."""
    extract = Template(
        "extract", "pod", write.container(lines=30), 45, SMALL, ("date", "source", "mode", "config"),
        ("rows", "checksum"), products=(("part", None),), retries=3,
    )  # fmt: skip
    body = write.container(lines=45) | {"initContainers": [write.extra("fetch-schema", "amazon/aws-cli:2.17.9")]}
    transform = Template(
        "transform", "pod", body, 240, LARGE, ("date", "source", "config"), ("rows",), products=(("table", None),)
    )
    check = Template(
        "check", "pod", write.script(lines=35), 20, SMALL, ("source", "threshold"), ("verdict",),
        memo_cache=f"{write.team}-checks",
    )  # fmt: skip
    load = Template(
        "load", "pod", write.container(lines=18), 90, SMALL, ("date", "source", "mode"), ("rows",), retries=2
    )
    main = _dag(
        "main",
        Task("plan", "plan"),
        Task("extract", "extract", after=("plan",), fan=True),
        Task("transform", "transform", after=("extract",)),
        Task("check", "check", after=("transform",)),
        Task("load", "load", after=("check",), chance=0.9),
        Task("notify", "notify", after=("load",)),
    )
    return Shape((main, _plan(write), extract, transform, check, load, _http("notify")), cron=True)


def train(write: Script) -> Shape:
    """Steps: prepare from git, train on GPUs with a sidecar, evaluate, register if good enough."""
    code = {
        "name": "code",
        "path": "/src",
        "git": {"repo": "https://git.company.example/ml/models.git", "revision": "main"},
    }
    prepare = Template(
        "prepare", "pod", write.container(lines=25), 120, LARGE, ("date", "source"), ("target",), sources=(code,),
        products=(("features", None),),
    )  # fmt: skip
    body = write.container(image=BY_PARAMETER if write.unusual else None, lines=60, gpu=1)
    body["sidecars"] = [write.extra("metrics", "prom/pushgateway:v1.9.0"), write.extra("tensorboard", "tensorflow/tb")]
    body["initContainers"] = [write.extra("warm-cache", "alpine"), write.extra("drivers", "nvcr.io/cuda:12.4-base")]
    fit = Template(
        "fit", "pod", body, 1800, GPU, ("image", "date", "source", "config", "threshold"), ("loss", "checksum"),
        products=(("model", None), ("curves", None)), retries=1,
    )  # fmt: skip
    evaluate = Template(
        "evaluate", "pod", write.script(lines=50), 300, MIG, ("source", "config"), ("score",), result=True
    )
    register = Template("register", "pod", write.container(lines=10), 15, SMALL, ("source", "note"), ("version",))
    main = _steps(
        "main",
        (Task("plan", "plan"),),
        (Task("prepare", "prepare"),),
        (Task("fit", "fit", fan=True),),
        (Task("evaluate", "evaluate"),),
        (Task("register", "register", chance=0.6), Task("report", "evaluate")),
    )
    return Shape((main, _plan(write), prepare, fit, evaluate, register))


def ci(write: Script) -> Shape:
    """Build and test: a container set, an inline template, an exit handler, a workflow hook."""
    checkout = Template("checkout", "pod", write.container(lines=8), 15, SMALL, ("source", "revision"), ("target",))
    members = ("compile", "package", "scan")
    containers = [write.container(lines=10)["container"] | {"name": name} for name in members]
    containers[1]["dependencies"], containers[2]["dependencies"] = ["compile"], ["package"]
    build = Template(
        "build", "pod", {"containerSet": {"containers": containers, "retryStrategy": {"retries": "2"}}}, 180, LARGE,
        ("revision", "mode"), products=(("image", None),), containers=members,
    )  # fmt: skip
    tested_with = BY_WORKFLOW if write.unusual else None
    test = Template(
        "test", "pod", write.container(image=tested_with, lines=25), 75, SMALL, ("source", "config"), ("passed",),
        products=(("junit", None),), retries=2,
    )  # fmt: skip
    lint = Template(
        "" if write.unusual else "lint",
        "pod",
        write.container(image="ghcr.io/company/lint:0.5", lines=6),
        20,
        SMALL,
        ("revision",),
    )
    deploy = Template("deploy", "pod", write.container(lines=30), 60, SMALL, ("mode", "revision", "note"), ("version",))
    main = _dag(
        "main",
        Task("plan", "checkout"),
        Task("lint", None, after=("plan",), inline=lint) if write.unusual else Task("lint", "lint", after=("plan",)),
        Task("build", "build", after=("plan",)),
        Task("test", "test", after=("build",), fan=True),
        Task("deploy", "deploy", after=("test", "lint"), chance=0.7),
    )
    clean_up = _steps("tidy", (Task("tell", "tell"),), (Task("delete-volumes", "delete"),), inputs=())
    delete = Template("delete", "pod", write.container(lines=4), 8, SMALL)
    named = () if write.unusual else (lint,)
    templates = (main, checkout, *named, build, test, deploy, clean_up, delete, _http("tell"))
    return Shape(templates, on_exit="tidy", hook="tell")


def batch(write: Script) -> Shape:
    """Many shards, each a DAG out of shared templates: namespaced and cluster-wide ones."""
    fetch = Template(
        "fetch", "pod", write.container(lines=22), 20, SMALL, ("date", "source", "config"), ("rows",),
        products=(("shard", None),), retries=4,
    )  # fmt: skip
    compute = Template(
        "compute", "pod", write.container(lines=55), 150, LARGE, ("source", "config", "threshold"), ("rows", "score"),
        products=(("result", None),),
    )  # fmt: skip
    shard = _dag("shard", Task("fetch", "fetch"), Task("compute", "compute", after=("fetch",)))
    merge = Template("merge", "pod", write.container(lines=40), 200, LARGE, ("date", "source"), ("rows", "checksum"))
    main = _dag(
        "main",
        Task("plan", "plan"),
        Task("shard", "shard", ref="shards", cluster=True, after=("plan",), fan=True),
        Task("merge", "merge", ref=f"{write.team}-tools", after=("shard",)),
    )
    shared = tuple(("shards", True, template) for template in (shard, fetch, compute))
    return Shape((main, _plan(write)), shared=(*shared, (f"{write.team}-tools", False, merge)), cron=True)


def move(write: Script) -> Shape:
    """Brings data from everywhere to everywhere: every kind of artifact location."""
    places: tuple[Json, ...] = (
        {"s3": {"endpoint": "s3.amazonaws.com", "bucket": "partner-drop", "key": f"in/{write.dataset}.csv.gz"}},
        {"gcs": {"bucket": "company-gcs", "key": f"exports/{write.dataset}.avro"}},
        {"oss": {"endpoint": "oss-cn-hangzhou.aliyuncs.com", "bucket": "company-oss", "key": f"cn/{write.dataset}"}},
        {
            "azure": {
                "endpoint": "https://company.blob.core.windows.net",
                "container": "landing",
                "blob": "in/tiles.bin",
            }
        },
        {"http": {"url": f"https://open-data.example/{write.dataset}.json"}},
        {"git": {"repo": "https://git.company.example/data/mappings.git", "revision": "v12", "depth": 1}},
        {"hdfs": {"addresses": ["namenode:8020"], "path": f"/warehouse/{write.dataset}", "hdfsUser": "etl"}},
        {"artifactory": {"url": f"https://artifactory.company.example/generic/{write.dataset}.tgz"}},
        {"raw": {"data": 'id;name\n1;Zoë\n2;"quoted"\n'}},
        {"plugin": {"name": "lakefs", "configuration": "repo: main\n", "key": f"branch/{write.dataset}"}},
    )
    sources = tuple({"name": f"in-{next(iter(p))}", "path": f"/in/{n}", **p} for n, p in enumerate(places))
    gather = Template(
        "gather", "pod", write.container(lines=15), 90, SMALL, ("date", "mode"), ("rows",), sources=sources
    )
    scatter = Template(
        "scatter", "pod", write.container(lines=15), 60, SMALL, ("source", "note"), ("rows",),
        products=(("copy-gcs", places[1]), ("copy-azure", places[3]), ("copy-oss", places[2]), ("copy", None)),
    )  # fmt: skip
    source = {"artifactPaths": {"name": "files", "s3": {"bucket": "partner-drop"}}}
    data = {"data": {"source": source, "transformation": [{"expression": 'filter(data, {# endsWith ".gz"})'}]}}
    plan = Template("listing", "pod", data, 5, SMALL, result=True)
    main = _steps(
        "main", (Task("plan", "listing"),), (Task("gather", "gather"),), (Task("scatter", "scatter", fan=True),)
    )
    return Shape((main, plan, gather, scatter), cron=True)


def review(write: Script) -> Shape:
    """A person approves, then HTTP and plugin templates act."""
    approve = Template("approve", "suspend", {"suspend": {"duration": "86400"}}, 3000, {}, ("note",), ("approver",))
    act = Template(
        "act", "plugin", {"plugin": {"ticket": {"queue": write.team, "kind": "release"}}}, 4, {}, (), ("ticket",)
    )
    draft = Template(
        "draft", "pod", write.script(lines=30), 40, SMALL, ("date", "source", "note"), ("target",), result=True
    )
    main = _steps(
        "main",
        (Task("plan", "draft"),),
        (Task("preview", "call", fan=True),),
        (Task("approve", "approve"),),
        (Task("act", "act", chance=0.8), Task("announce", "call")),
    )
    return Shape((main, draft, approve, act, _http("call")))


def service(write: Script) -> Shape:
    """A daemon serves the steps after it."""
    body = write.container(image="postgres:16", lines=5) | {
        "sidecars": [write.extra("exporter", "quay.io/pg/exporter:0.15")]
    }
    database = Template("database", "pod", body, 30, LARGE, ("mode",), daemon=True)
    query = Template(
        "query", "pod", write.container(lines=28), 35, SMALL, ("source", "config"), ("rows",), retries=2, result=True
    )
    main = _dag(
        "main",
        Task("database", "database"),
        Task("plan", "plan", after=("database",)),
        Task("query", "query", after=("plan",), fan=True),
    )
    return Shape((main, _plan(write), database, query))


def report(write: Script) -> Shape:
    """Steps in steps, memoised pages, hooks on tasks."""
    page = Template(
        "page", "pod", write.container(lines=33), 50, SMALL, ("source", "config", "date"), ("rows",),
        products=(("page", None),), memo_cache="report-pages",
    )  # fmt: skip
    section = _steps("section", (Task("fetch", "page"),), (Task("render", "render"),))
    render = Template("render", "pod", write.script(lines=40), 25, SMALL, ("source", "note"), ("target",), result=True)
    main = _steps(
        "main",
        (Task("plan", "plan"),),
        (Task("section", "section", fan=True),),
        (Task("publish", "render", hook="tell"), Task("archive", "render", chance=0.3)),
    )
    return Shape((main, _plan(write), section, page, render, _http("tell")), on_exit="tell", cron=True)


STYLES: dict[str, Callable[[Script], Shape]] = {
    style.__name__: style for style in (cleanup, etl, train, ci, batch, move, review, service, report)
}
