"""Credentials of the stores of logs: named, shaped and placed as Argo reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kubectl_argo_archive.checks.check import Need, Outcome, check, failed, passed, skipped
from kubectl_argo_archive.checks.facts import Facts
from kubectl_argo_archive.checks.finding import Severity
from kubectl_argo_archive.checks.rules.archive_config import problems
from kubectl_argo_archive.checks.rules.logs_config import repositories, s3_stores
from kubectl_argo_archive.checks.words import at, count

_ACCESS_KEY = re.compile(r"(?:AKIA|ASIA|AROA|AGPA)[A-Z0-9]{12,}")


_LONG_SECRET = re.compile(r"[A-Za-z0-9/+=]{40,}")


@check(
    "C06", "The store's Secrets are in every workflow namespace", Severity.CRITICAL, Need.CONFIG,
    symptom="Pods stay in Init or Pending: the secret is not found in the workflow's namespace.",
    cause="Keys of the repository are read in the namespace of the workflow, not in the controller's.",
    looks="The repository's Secrets in every namespace that ran workflows lately.",
    fix="Copy the Secret into each namespace that runs workflows, or use IRSA (useSDKCreds: true).",
)  # fmt: skip
def store_secrets(facts: Facts) -> Iterator[Outcome]:
    for controller in facts.controllers:
        for space in facts.namespaces or [controller.namespace]:
            store = facts.the.repository(controller, space).store
            for name in sorted({ref.name or "" for ref in (store.secrets.values() if store else ())}):
                place = f"Secret {space}/{name}"
                ref = next(r for r in store.secrets.values() if r.name == name) if store else None
                where = at(ref.origin()) if ref else at(controller.config_origin)
                if facts.the.secret(space, name):
                    yield passed(f"{place} exists")
                elif facts.live and facts.the.was_read("Secret", space, name):
                    others = sorted(s.namespace for s in facts.the.secrets if s.name == name)
                    found = f"; namespaces that have it: {', '.join(others)}" if others else ""
                    yield failed(
                        f"{place} does not exist: pods of {space} cannot store artifacts and logs",
                        f"{where} names {name}{found}",
                        f"kubectl create secret generic {name} -n {space} "
                        + " ".join(f"--from-file={r.key}=…" for r in store.secrets.values() if store and r.name == name)
                        if store
                        else None,
                        where=where,
                    )
                else:
                    yield skipped(f"{place} could not be looked at", f"kubectl get secret {name} -n {space or 'argo'}")
    if not any(store.secrets for _, store in s3_stores(facts)):
        yield passed("the repository needs no Secret")


@check(
    "C07", "Secret references have their shape", Severity.CRITICAL, Need.CONFIG,
    symptom="`read /argo/secret: is a directory`.",
    cause="secretKeySecret is indented under accessKeySecret, or fields of one reference under another.",
    looks="Unknown keys below accessKeySecret, secretKeySecret, userNameSecret and passwordSecret.",
    fix="accessKeySecret and secretKeySecret stand side by side, each with name and key.",
)  # fmt: skip
def references_have_shape(facts: Facts) -> Iterator[Outcome]:
    for problem in problems(facts, "secret-shape"):
        yield failed(problem.message, str(problem.origin), where=at(problem.origin))
    for name, store in s3_stores(facts):
        if bool(store.access_key_secret) != bool(store.secret_key_secret):
            lacking = "secretKeySecret" if store.access_key_secret else "accessKeySecret"
            yield failed(
                f"{name} lacks {lacking}: keys come in pairs", str(at(store.origin())), where=at(store.origin())
            )


@check(
    "C08", "No credential stands in the configuration", Severity.CRITICAL, Need.CONFIG,
    symptom="`secret '…' does not have the key 'AKIA…'`.",
    cause="The access key itself was written where the name of a Secret's key belongs.",
    looks="name and key of every reference to a Secret (the finding never repeats them).",
    fix="Rotate the credential, put it into a Secret, and name the Secret's key.",
)  # fmt: skip
def no_credentials(facts: Facts) -> Iterator[Outcome]:
    named = [
        (f"{name}: {field}", ref)
        for name, repository, _ in repositories(facts)
        if repository.store
        for field, ref in repository.store.secrets.items()
    ]
    for controller in facts.controllers:
        database = controller.persistence.database if controller.persistence else None
        pairs = (
            (("userNameSecret", database.user_name_secret), ("passwordSecret", database.password_secret))
            if database
            else ()
        )
        named += [(f"persistence of {controller.label()}: {field}", ref) for field, ref in pairs if ref]
    for field, ref in named:
        for text in (ref.key or "", ref.name or ""):
            if _ACCESS_KEY.fullmatch(text) or (_LONG_SECRET.fullmatch(text) and not text.islower()):
                yield failed(
                    f"{field} holds what looks like a credential, not a name",
                    str(at(ref.origin())),
                    where=at(ref.origin()),
                )
    yield passed(f"{count(len(named), 'reference')} to Secrets, all by name")
