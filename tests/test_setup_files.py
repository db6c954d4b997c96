"""Reading the files of a set-up: positions, layouts, charts, helmfiles, Kustomize, templates; whatever they hold."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixtures.setup_files import HEALTHY, changed, write_files
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kubectl_argo_archive.argo.installation import Installation
from kubectl_argo_archive.argo.objects import Origin
from kubectl_argo_archive.checks.finding import Finding, Report, Status
from kubectl_argo_archive.setup.files.chart_versions import app_version
from kubectl_argo_archive.setup.files.load import load
from kubectl_argo_archive.setup.files.model import Places
from kubectl_argo_archive.setup.files.trees import Place, Tree, merge
from kubectl_argo_archive.setup.files.unknown import MARK, UNKNOWN
from kubectl_argo_archive.setup.files.yaml_reader import MAX_DEPTH, parse
from kubectl_argo_archive.setup.gotemplate.run import render_template
from kubectl_argo_archive.setup.lint import lint, read

PERSISTENCE = """\
archive: ARCHIVE
postgresql:
  host: db.flows
  database: flows
  tableName: argo_workflows
  userNameSecret: {name: login, key: username}
  passwordSecret: {name: login, key: password}
"""


def _read(folder: Path, **files: str) -> tuple[Installation, Places]:
    """Files by name, ``__`` for a slash and ``_yaml`` for the suffix."""
    write_files(folder, {name.replace("__", "/").replace("_yaml", ".yaml"): text for name, text in files.items()})
    places = Places()
    return read(load([str(folder)]), places), places


def _line(places: Places, origin: Origin) -> str:
    """``file:line`` of an origin, the file without its folder."""
    place = places.place(origin.line or 0)
    assert place is not None
    return f"{Path(place.file).name}:{place.line}"


def _found(report: Report, id: str) -> list[Finding]:
    return [each for each in report.findings if each.id == id and each.status in (Status.FAIL, Status.WARN)]


# YAML


def _tree(text: str) -> Tree:
    (document,) = parse(text, "f.yaml")
    assert document.tree is not None, document
    return document.tree


def test_every_value_knows_its_line() -> None:
    tree = _tree(
        "a: 1\n# comment\nb:\n  - x\n  -\n    c: |\n      one\n      two\n  d:\n    e\n".replace("  d:", "f:\n  d:")
    )
    places = {path: each.place.line for path, each in tree.walk()}
    assert places == {
        (): 1,
        ("a",): 1,
        ("b",): 3,
        ("b", 0): 4,
        ("b", 1): 6,
        ("b", 1, "c"): 6,
        ("f",): 9,
        ("f", "d"): 10,
    }
    text = tree.get("b", 1, "c")
    assert text is not None
    assert text.text == Place("f.yaml", 7)


def test_anchors_aliases_and_merge_keys() -> None:
    tree = _tree("base: &b\n  x: 1\n  y: 2\nmore: &m {z: 3}\none:\n  <<: *b\n  y: 5\ntwo:\n  <<: [*m, *b]\nthree: *b\n")
    assert tree.plain()["one"] == {"x": 1, "y": 5}
    assert tree.plain()["two"] == {"x": 1, "y": 2, "z": 3}
    x, three = tree.get("one", "x"), tree.get("three")
    assert x is not None
    assert three is not None
    assert (x.place.line, three.place.line) == (2, 10)


def test_several_documents_and_a_broken_one_between() -> None:
    documents = parse("# head\n---\na: 1\n--- # two\nb: [1\n---\nc: 3\n...\n---\n", "f.yaml")
    assert [each.tree.plain() if each.tree else None for each in documents] == [{"a": 1}, None, {"c": 3}]
    assert documents[1].place == Place("f.yaml", 6)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True), ("off", False), ("'yes'", "yes"), ("012", 10), ("0o14", 12), ("0x1F", 31), ("1e3", 1000.0),
        ("1:30", "1:30"), ("2026-01-01", "2026-01-01"), ("~", None), ("", None), ("1_000", "1_000"), ("-5", -5),
        ("!!str 5", "5"), ("!vault x", "x"), (".inf", ".inf"), ("1.5d", "1.5d"), ("9" * 50, "9" * 50),
    ],
)  # fmt: skip
def test_scalars_are_those_of_kubernetes(text: str, value: object) -> None:
    found = _tree(f"a: {text}\n").at("a")
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: *nobody", "an alias names an anchor"),
        ("a: &a [*a]", "an alias names an anchor"),
        ("[" * (MAX_DEPTH + 1), "nested deeper"),
        ("a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
            f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 10)}]\n" for i in range(8)), "more than"),
        ("a: \x01", "does not allow"),
        ("a: b: c", "mapping values"),
        ("a: 'secret", "found unexpected end of stream"),
    ],
)  # fmt: skip
def test_what_is_no_yaml_is_an_error_that_quotes_nothing(text: str, says: str) -> None:
    (document,) = parse(text, "f.yaml")
    assert document.tree is None
    assert says in (document.error or "")
    assert "secret" not in (document.error or "")


def test_values_merge_as_helm_does() -> None:
    merged = merge(_tree("a: {x: 1, y: 2}\nl: [1, 2]\ngone: 1\n"), _tree("a: {y: 3}\nl: [3]\ngone: null\n"))
    assert merged.plain() == {"a": {"x": 1, "y": 3}, "l": [3]}


# the controller's ConfigMap in both layouts


def _config_map(data: str) -> str:
    indented = "".join(f"  {line}\n" for line in data.splitlines())
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: workflow-controller-configmap\ndata:\n{indented}"


def _block(text: str, by: int = 2) -> str:
    return "".join(f"{' ' * by}{line}\n" for line in text.splitlines())


@pytest.mark.parametrize("layout", ["keys", "config"])
def test_lines_inside_the_text_of_a_config_map(layout: str, tmp_path: Path) -> None:
    own = PERSISTENCE.replace("ARCHIVE", "false")
    data = f"persistence: |\n{_block(own)}" if layout == "keys" else f"config: |\n  persistence:\n{_block(own, 4)}"
    installation, places = _read(tmp_path, map_yaml="# head\n" + _config_map(data))
    (controller,) = installation.controllers
    assert controller.persistence is not None
    assert controller.config is not None
    assert controller.config.layout == layout
    expected = 8 if layout == "keys" else 9
    assert _line(places, controller.persistence.origin("archive")) == f"map.yaml:{expected}"
    (finding,) = _found(lint([str(tmp_path)]), "A01")
    assert finding.where.line == expected


# charts and helmfiles


def test_values_of_the_argo_chart_alone(tmp_path: Path) -> None:
    values = (
        f"controller:\n  persistence:\n{_block(PERSISTENCE.replace('ARCHIVE', 'false'), 4)}useStaticCredentials: true\n"
    )
    installation, places = _read(tmp_path, values_yaml=values)
    (controller,) = installation.controllers
    assert controller.persistence is not None
    assert _line(places, controller.persistence.origin("archive")) == "values.yaml:3"


def test_values_come_from_where_they_are_written(tmp_path: Path) -> None:
    helmfile = """\
environments:
  default:
    values:
      - env.yaml
releases:
  - name: flows
    namespace: ns
    chart: argo/argo-workflows
    version: 0.45.21
    values:
      - controller:
          persistence:
            archive: true
      - values.yaml.gotmpl
    set:
      - name: controller.instanceID.enabled
        value: true
      - name: controller.instanceID.explicitID
        value: east
  - name: off
    installed: false
    chart: argo/argo-workflows
"""
    template = (
        "{{- $host := .Values.host }}\ncontroller:\n  persistence:\n"
        "    archiveTTL: {{ .Values | get \"ttl\" \"5d\" }}\n"
        "    postgresql:\n      host: {{ $host | quote }}\n      port: {{ env \"PORT\" }}\n      database: flows\n"
        "      tableName: argo_workflows\n      userNameSecret: {name: l, key: u}\n"
        "      passwordSecret: {name: l, key: p}\n"
    )  # fmt: skip
    installation, places = _read(
        tmp_path, helmfile_yaml=helmfile, env_yaml="host: db.example.com\n", **{"values_yaml.gotmpl": template}
    )
    (controller,) = installation.controllers
    persistence = controller.persistence
    assert persistence is not None
    assert persistence.postgresql is not None
    assert str(controller.version) == "v3.7.0"  # of the chart
    assert (controller.namespace, controller.instance_id) == ("ns", "east")
    assert persistence.postgresql.host == "db.example.com"
    assert persistence.archive_ttl is not None
    assert persistence.archive_ttl.text == "5d"
    assert _line(places, persistence.origin("archive")) == "helmfile.yaml:13"
    assert _line(places, persistence.origin("archive_ttl")) == "values.yaml.gotmpl:4"
    assert len(installation.servers) == 1


def test_what_only_the_environment_knows_is_skipped_not_wrong(tmp_path: Path) -> None:
    files = changed(
        ("flows/values.yaml", "archiveTTL: 90d", 'archiveTTL: {{ requiredEnv "TTL" }}'),
        ("helmfile.yaml", "flows/values.yaml", "flows/values.yaml.gotmpl"),
    )
    files["flows/values.yaml.gotmpl"] = files.pop("flows/values.yaml").replace(
        "{{workflow.namespace}}/{{workflow.name}}/{{workflow.uid}}/{{pod.name}}",
        "{{`{{workflow.namespace}}/{{workflow.name}}/{{workflow.uid}}/{{pod.name}}`}}",
    )
    report = lint([str(write_files(tmp_path, files))])
    (ttl,) = (each for each in report.findings if each.id == "A14")
    assert ttl.status is Status.SKIP
    assert not report.has_problems
    assert MARK not in str(report.to_dict())


def test_a_chart_with_the_known_ones_inside(tmp_path: Path) -> None:
    chart = (
        "apiVersion: v2\nname: platform\nversion: 1.0.0\ndependencies:\n"
        "  - {name: argo-workflows, version: 0.42.0, repository: 'https://argoproj.github.io/argo-helm'}\n"
        "  - {name: postgresql, alias: db, version: 16.2.3, repository: 'oci://bitnamicharts', condition: db.enabled}\n"
    )
    values = f"argo-workflows:\n  controller:\n    persistence:\n{_block(PERSISTENCE.replace('ARCHIVE', 'true'), 6)}"
    db = "db:\n  enabled: true\n  image: {tag: 16.6.0-debian-12-r1}\n  auth: {password: pl4in-t3xt}\n"
    installation, places = _read(tmp_path, Chart_yaml=chart, values_yaml=values + db)
    (controller,) = installation.controllers
    assert controller.persistence is not None
    assert str(controller.version) == "v3.5.10"
    assert _line(places, controller.persistence.origin("archive")) == "values.yaml:4"
    report = lint([str(tmp_path)])
    assert [each.where.line for each in _found(report, "B29")] == [13]
    assert [each.where.line for each in _found(report, "S05")] == [14]


@pytest.mark.parametrize(
    ("chart", "argo"),
    [("1.0.18", "v4.0.6"), ("1.0.0", "v4.0.2"), ("0.41.1", "v3.5.5"), ("0.45.20", "v3.6.10"), ("9.0.0", None),
     ("~1.0", None), (None, None), ("0.0.1", None)],
)  # fmt: skip
def test_the_release_that_a_chart_installs(chart: str | None, argo: str | None) -> None:
    assert app_version(chart) == argo


def test_bitnamis_chart_without_a_tag(tmp_path: Path) -> None:
    """Until chart 17 its default images are gone; since 18 it runs the tag latest."""
    helmfile = "releases:\n  - {name: db, namespace: n, chart: bitnami/postgresql, version: VERSION}\n"
    for version, id in (("16.2.3", "B29"), ("18.1.4", "S06")):
        folder = write_files(tmp_path / version, {"helmfile.yaml": helmfile.replace("VERSION", version)})
        assert {each.id for each in lint([str(folder)]).findings if each.status in (Status.FAIL, Status.WARN)} == {id}


# GitOps and Kustomize


def test_an_application_of_argo_cd(tmp_path: Path) -> None:
    application = (
        "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: flows}\nspec:\n"
        "  destination: {namespace: ns}\n"
        "  source:\n    repoURL: https://argoproj.github.io/argo-helm\n    chart: argo-workflows\n"
        "    targetRevision: 1.0.18\n"
        f"    helm:\n      values: |\n        controller:\n          persistence:\n"
        f"{_block(PERSISTENCE.replace('ARCHIVE', 'false'), 12)}"
    )  # fmt: skip
    installation, places = _read(tmp_path, app_yaml=application)
    (controller,) = installation.controllers
    assert controller.persistence is not None
    assert _line(places, controller.persistence.origin("archive")) == "app.yaml:14"


def _kustomize(folder: Path) -> Path:
    base_map = _config_map(f"persistence: |\n{_block(PERSISTENCE.replace('ARCHIVE', 'true'))}")
    deployment = (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: workflow-controller}\nspec:\n  template:\n    spec:\n"
        "      containers:\n        - name: workflow-controller\n"
        "          image: quay.io/argoproj/workflow-controller:v4.1.2\n"
        "          command: [workflow-controller]\n"
    )
    overlay = (
        "namespace: flows\nresources:\n  - ../base\nimages:\n  - name: quay.io/argoproj/workflow-controller\n"
        "    newTag: latest\npatches:\n  - path: patch.yaml\n"
        "  - target: {kind: Deployment, name: workflow-controller}\n"
        "    patch: |\n      - op: add\n        path: /spec/template/spec/containers/0/args\n"
        "        value: [--namespaced]\n"
        "secretGenerator:\n  - name: login\n    literals:\n      - username=me\n      - password=pl4in-t3xt\n"
    )
    patch = _config_map(f"persistence: |\n{_block(PERSISTENCE.replace('ARCHIVE', 'false'))}")
    return write_files(
        folder,
        {
            "base/kustomization.yaml": "resources: [map.yaml, deployment.yaml]\n",
            "base/map.yaml": base_map,
            "base/deployment.yaml": deployment,
            "overlay/kustomization.yaml": overlay,
            "overlay/patch.yaml": patch,
        },
    )


def test_a_kustomize_folder(tmp_path: Path) -> None:
    folder = _kustomize(tmp_path)
    places = Places()
    installation = read(load([str(folder)]), places)
    (controller,) = installation.controllers  # the base is a part of the overlay, not a set-up of its own
    assert controller.persistence is not None
    assert (controller.namespace, controller.namespaced, controller.image) == (
        "flows", True, "quay.io/argoproj/workflow-controller:latest",
    )  # fmt: skip
    assert _line(places, controller.persistence.origin("archive")) == "patch.yaml:7"
    report = lint([str(folder)])
    assert [(Path(each.where.file or "").name, each.where.line) for each in _found(report, "S05")] == [
        ("kustomization.yaml", 18)
    ]
    assert [each.where.line for each in _found(report, "S06")] == [6]
    assert [Path(each.where.file or "").name for each in _found(report, "A01")] == ["patch.yaml"]


def test_remote_and_missing_parts_of_a_kustomization_are_left_out(tmp_path: Path) -> None:
    installation, _ = _read(
        tmp_path,
        kustomization_yaml="resources:\n  - https://example.com/x.yaml\n  - github.com/a/b?ref=v1\n  - gone.yaml\n"
        "configMapGenerator:\n  - name: workflow-controller-configmap\n    files: [persistence=p.txt]\n",
        **{"p.txt": PERSISTENCE.replace("ARCHIVE", "true")},
    )
    (controller,) = installation.controllers
    assert controller.persistence is not None


# templates


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("a: {{ .Values.x }}", "a: 1"),
        ("a: {{ .Values.gone | default \"d\" | upper | quote }}", 'a: "D"'),
        ("a: {{- if .Values.x }} yes{{ else }} no{{ end }}", "a: yes"),
        ("{{ range $i, $e := .Values.list }}{{ $i }}={{ $e }};{{ end }}", "0=a;1=b;"),
        ("{{ with .Values.map }}{{ .k }}{{ end }}", "v"),
        ('{{ define "n" }}{{ .Release.Name }}-{{ "x" }}{{ end }}{{ include "n" . | trunc 3 }}', "rel"),
        ("{{/* {{ not }} this */}}b", "b"),
        ('{{ printf "%s-%d" "a" 5 }}', "a-5"),
        ("{{ toYaml .Values.map }}", "k: v"),
        ("{{ lookup \"v1\" \"Secret\" \"a\" \"b\" }}x", f"{MARK}x"),
        ("{{ .Values.x | b64enc | b64dec }}", "1"),
        ("{{ eq .Values.x 1 }} {{ and .Values.x .Values.gone }} {{ not .Values.gone }}", "true  true"),
        ("{{ if }}{{ end }}{{ end }}{{ what is this! }}c", f"{MARK}c"),
        ("{{ (index .Values.list 1) }}{{ ternary \"a\" \"b\" true }}", "ba"),
        ("{{ tpl \"{{ .Values.x }}\" . }}", "1"),
        ('{{ dict "a" 1 | toJson }}', '{"a": 1}'),
    ],
)  # fmt: skip
def test_templates(template: str, text: str) -> None:
    values = {"x": 1, "list": ["a", "b"], "map": {"k": "v"}}
    assert render_template(template, {"Values": values, "Release": {"Name": "release"}})[0] == text


def test_lines_of_a_template_are_kept() -> None:
    template = "a:\n{{- range .Values.list }}\n  - {{ . }}\n{{- end }}\n{{- if .Values.no }}\nx: 1\n{{- end }}\nb: 2\n"
    text, line_of = render_template(template, {"Values": {"list": [1, 2]}})
    assert text == "a:\n  - 1\n  - 2\nb: 2\n"
    assert [line_of(line) for line in (1, 2, 3, 4)] == [1, 3, 3, 8]


def test_what_is_missing_in_a_helmfile_is_unknown() -> None:
    assert render_template("a: {{ .Values.x.y }}", {"Values": {}}, missing=UNKNOWN)[0] == f"a: {MARK}"


def test_endless_templates_end() -> None:
    assert render_template('{{ define "a" }}{{ include "a" . }}{{ end }}{{ include "a" . }}', {})[0] in ("", MARK)
    nested = "{{ range .l }}" * 12 + "x" + "{{ end }}" * 12
    assert len(render_template(nested, {"l": list(range(10))})[0]) <= 2_000_000


# anything at all


WORDS = st.sampled_from(
    ["apiVersion", "kind", "metadata", "name", "namespace", "spec", "data", "config", "persistence", "releases",
     "values",
     "controller", "v1", "ConfigMap", "Secret", "PersistentVolume", "PersistentVolumeClaim", "StatefulSet",
     "Deployment",
     "List", "items", "template", "containers", "image", "volumes", "stringData", "password", "postgresql", "archive",
     "hooks", "needs", "chart", "argo/argo-workflows", "bitnami/postgresql", "artifactRepository", "s3", "keyFormat",
     "workflow-controller-configmap", "existingClaim", "accessModes", "claimRef", "storageClassName", "resources",
     "patches", "secretGenerator", "set", "{{ .Values.x }}", "{{", "}}", "- a", "&a", "*a", "<<"]
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.text(max_size=5), inner, max_size=5),
    max_leaves=25,
)
NAMES = st.sampled_from(
    ["a.yaml", "helmfile.yaml", "kustomization.yaml", "Chart.yaml", "values.yaml", "templates/x.yaml", "pvc.yaml",
     "templates/_helpers.tpl", "helmfile.yaml.gotmpl", "values.yaml.gotmpl"]
)  # fmt: skip


def _dump(value: object) -> str:
    import yaml

    return yaml.safe_dump(value, allow_unicode=True)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(NAMES, st.one_of(st.text(max_size=200), VALUES.map(_dump)), min_size=1, max_size=5))
def test_no_file_makes_lint_fail(tmp_path_factory: pytest.TempPathFactory, files: dict[str, str]) -> None:
    folder = tmp_path_factory.mktemp("any")
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(text.encode("utf-8", "surrogatepass"))
    report = lint([str(folder)])
    broken = [each.message for each in report.findings if each.status is Status.ERROR]
    assert broken == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_slip_in_a_healthy_set_up_makes_lint_fail(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """A line of a healthy set-up removed, doubled, moved right or filled with something else."""
    name = data.draw(st.sampled_from(sorted(HEALTHY)))
    lines = HEALTHY[name].splitlines(keepends=True)
    at = data.draw(st.integers(0, len(lines) - 1))
    head, colon, _ = lines[at].partition(":")
    slip = {
        "remove": [],
        "double": [lines[at], lines[at]],
        "indent": ["  " + lines[at]],
        "replace": [f"{head}{colon} {data.draw(VALUES.map(_dump)).strip()}\n"],
    }[data.draw(st.sampled_from(["remove", "double", "indent", "replace"]))]
    folder = write_files(
        tmp_path_factory.mktemp("slip"), {**HEALTHY, name: "".join([*lines[:at], *slip, *lines[at + 1 :]])}
    )
    report = lint([str(folder)])
    assert [each.message for each in report.findings if each.status is Status.ERROR] == []
