"""How it reaches people: console scripts behind the real kubectl, krew's manifest, pins, licence, make."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from fixtures.kubectl import Kubectl
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from kubectl_argo_archive import __version__

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

FORMS = pytest.mark.parametrize("form", [("argo-archive",), ("argo", "archive")])


@FORMS
def test_kubectl_finds_the_plugin(kubectl: Kubectl, form: tuple[str, ...]) -> None:
    done = kubectl.run(*form, "version", "-o", "json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["version"] == __version__


@FORMS
def test_exit_codes_pass_through_kubectl(kubectl: Kubectl, form: tuple[str, ...]) -> None:
    done = kubectl.run(*form, "verison")
    assert done.returncode == 2
    assert done.stderr.startswith("error: no command 'verison'")
    assert done.stdout == ""


def test_help_behind_kubectl(kubectl: Kubectl) -> None:
    done = kubectl.run("argo-archive", "--help")
    assert done.stdout.startswith("Usage: kubectl argo-archive ")


def test_every_console_script_is_installed(kubectl: Kubectl) -> None:
    installed = {script.name for script in metadata.distribution("kubectl-argo-archive").entry_points}
    assert installed == set(PROJECT["scripts"])
    for name in installed:
        assert os.access(kubectl.plugins / name, os.X_OK), name


def krew_complaints(manifest: dict[str, Any]) -> list[str]:
    """What krew's own validation would refuse (its ``internal/index/validation``)."""
    spec, wrong = manifest["spec"], []
    if manifest["apiVersion"] != "krew.googlecontainertools.github.com/v1alpha2" or manifest["kind"] != "Plugin":
        wrong.append("apiVersion or kind")
    if not re.fullmatch(r"[\w-]+", manifest["metadata"]["name"]):
        wrong.append("name")
    if not re.fullmatch(r"v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?", spec["version"]):
        wrong.append("version")
    if not spec["shortDescription"] or "\n" in spec["shortDescription"] or not spec["description"]:
        wrong.append("descriptions")
    if not spec["platforms"]:
        wrong.append("no platform")
    for platform in spec["platforms"]:
        labels = platform["selector"]["matchLabels"]
        if not labels or set(labels) - {"os", "arch"}:
            wrong.append("selector")
        if not re.fullmatch(r"[0-9a-f]{64}", platform["sha256"]):
            wrong.append("sha256")
        if not re.fullmatch(r"https://\S+\.(tar\.gz|zip)", platform["uri"]):
            wrong.append("uri")
        if not platform["bin"] or platform.get("files") == []:
            wrong.append("bin or files")
    return wrong


def test_krew_manifest() -> None:
    manifest = yaml.safe_load((ROOT / "plugin.yaml").read_text())
    assert krew_complaints(manifest) == []
    assert manifest["metadata"]["name"] == "argo-archive"
    assert manifest["spec"]["version"] == f"v{__version__}"
    for platform in manifest["spec"]["platforms"]:
        assert platform["bin"] in PROJECT["scripts"]


def render(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "render_krew.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_release_fills_the_manifest(tmp_path: Path) -> None:
    platforms = yaml.safe_load((ROOT / "plugin.yaml").read_text())["spec"]["platforms"]
    archives = [tmp_path / platform["uri"].rpartition("/")[2] for platform in platforms]
    for archive in archives:
        archive.write_text(archive.name)
    done = render("v9.8.7", "https://host/v9.8.7/", *map(str, archives))
    assert done.returncode == 0, done.stderr
    manifest = yaml.safe_load(done.stdout)
    assert krew_complaints(manifest) == []
    assert manifest["spec"]["version"] == "v9.8.7"
    for platform, archive in zip(manifest["spec"]["platforms"], archives, strict=True):
        assert platform["uri"] == f"https://host/v9.8.7/{archive.name}"
        assert platform["sha256"] == hashlib.sha256(archive.name.encode()).hexdigest()
    assert "no archive" in render("v9.8.7", "https://host", str(archives[0])).stderr
    assert "not a version" in render("9.8", "https://host", *map(str, archives)).stderr


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(re.fullmatch(r"([\w.-]+)==(\S+)", line).groups() for line in lines)  # type: ignore[union-attr, misc]


def test_everything_that_we_name_is_pinned_exactly() -> None:
    """And to a version that the package itself accepts; a pin knows no host."""
    pinned = {canonicalize_name(name): version for name, version in pins().items()}
    extras = PROJECT["optional-dependencies"]
    for text in [*PROJECT["dependencies"], *(line for lines in extras.values() for line in lines)]:
        requirement = Requirement(text)
        if requirement.name == PROJECT["name"]:
            continue
        version = pinned[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{text}: {version}"


def test_the_licence() -> None:
    assert "Apache License" in (ROOT / "LICENSE").read_text()
    assert PROJECT["license"]["text"] == "Apache-2.0"


def make(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", *arguments], cwd=cwd, capture_output=True, text=True, check=False)


def test_make_tells_what_it_can_do() -> None:
    done = make("help")
    assert done.returncode == 0
    for target in ("demo", "test", "lint", "bench", "docs"):
        assert f"make {target} " in done.stdout
        assert make("--dry-run", target).returncode == 0


def test_make_without_a_python_says_so(tmp_path: Path) -> None:
    done = make("venv", "PYTHON=", f"VENV={tmp_path / 'venv'}")
    assert done.returncode != 0
    assert "error: no Python 3.11 or newer found\nhint: " in done.stderr


def test_ci_is_a_program_and_ends_with_the_tests() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0
    assert script.read_text().rstrip().splitlines()[-1].endswith(" test")
