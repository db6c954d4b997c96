"""The audit report: who did what, which images ran, what is past its retention, as sections over a lake or a bundle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kubectl_argo_archive.audit.holds import Hold
from kubectl_argo_archive.audit.report.sections import RETENTION, SQL_SECTIONS, Section
from kubectl_argo_archive.errors import ConfigError
from kubectl_argo_archive.query.result import ResultSet
from kubectl_argo_archive.query.session import Session

SECTIONS = {section.name: section for section in SQL_SECTIONS}
EVERY_NAMESPACE = "*"


@dataclass(frozen=True, slots=True)
class ReportFilter:
    """Which workflows the report is about; empty means all.

    Attributes:
        namespaces: names of namespaces.
        users: people: mail address, user name or label, as typed or as Argo sanitises it.
        since: ended (or, if they never did, were created) at or after.
        until: ended before.
    """

    namespaces: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None

    def condition(self, *, everybody: bool) -> tuple[str, dict[str, object]]:
        """SQL about ``w``, a row of ``workflow_versions``, and its parameters; ``everybody`` leaves users out."""
        parts, values = ["true"], dict[str, object]()
        if self.namespaces:
            parts.append("list_contains($namespaces::VARCHAR[], w.namespace)")
            values["namespaces"] = list(self.namespaces)
        if self.users and not everybody:
            people = ("creator", "creator_email", "actor")
            labels = [f"w.labels['workflows.argoproj.io/{one}-{kind}']"
                      for one in ("creator", "actor") for kind in ("email", "preferred-username")]  # fmt: skip
            named = (*(f"w.{name}" for name in people), *labels)
            parts.append(f"({' OR '.join(f'list_contains($users::VARCHAR[], {name})' for name in named)})")
            values["users"] = spellings(self.users)
        moment = "coalesce(w.finished_at, w.started_at, w.created_at)"
        for name, sign in (("since", ">="), ("until", "<")):
            bound: datetime | None = getattr(self, name)
            if bound is not None:
                parts.append(f"{moment} {sign} ${name}::TIMESTAMPTZ")
                values[name] = bound.astimezone(UTC).isoformat()
        return " AND ".join(parts), values


@dataclass(frozen=True, slots=True)
class Policy:
    """How long records are kept.

    Attributes:
        days: namespace → days; ``*`` for all others.
    """

    days: Mapping[str, int]

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Policy:
        """Read ``7y``, ``prod=7y``, ``test=90d``.

        Raises:
            ConfigError: one of them is something else.
        """
        found: dict[str, int] = {}
        for text in texts:
            namespace, sign, age = text.rpartition("=")
            unit = {"d": 1, "w": 7, "m": 30, "y": 365}.get(age[-1:].lower())
            if not unit or not age[:-1].isdecimal() or (sign and not namespace):
                raise ConfigError(f"'{text}' is no retention", "write 7y, or NAMESPACE=90d; units are d, w, m, y")
            found[namespace or EVERY_NAMESPACE] = int(age[:-1]) * unit
        return cls(found)


def run_section(
    session: Session,
    section: Section,
    chosen: ReportFilter,
    *,
    policy: Policy | None = None,
    holds: Sequence[Hold] = (),
    now: datetime | None = None,
) -> ResultSet:
    """Start one section; its rows come as they are read.

    Args:
        session: over a lake or a bundle.
        section: which.
        chosen: what it is about.
        policy: retention, for the section that needs it.
        holds: legal holds, likewise.
        now: the moment against which retention is judged; None for this one.

    Raises:
        ConfigError: the section needs a retention policy.
        QueryError, StorageError, StorageUnreachable, LakeError: as ``Session.run``.
    """
    condition, values = chosen.condition(everybody=False)
    if section is RETENTION:
        if policy is None or not policy.days:
            raise ConfigError("no retention is known", "give --retention 7y, or --retention NAMESPACE=90d")
        values |= _retention(policy, holds, now or datetime.now(UTC))
    sql = section.sql.replace("{where}", condition)
    if chosen.users and section.name == "actions":  # the workflow is theirs; of its actions only their own
        sql = f"SELECT * FROM ({sql}) WHERE list_contains($users::VARCHAR[], who) OR list_contains($users::VARCHAR[], who_id)"  # noqa: E501
    return session.run(f"SELECT * FROM ({sql}) ORDER BY {section.order}", values)


def spellings(users: Iterable[str]) -> list[str]:
    """A person's name as typed, and as Argo makes a label of it (``@`` → ``.at.``, other characters → ``-``)."""
    found: list[str] = []
    for user in users:
        label = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "-" for c in user.replace("@", ".at."))
        found += [user, label, label[-63:].lstrip("-_."), label[:63].rstrip("-_.")]
    return sorted(set(found))


def _retention(policy: Policy, holds: Sequence[Hold], now: datetime) -> dict[str, Any]:
    return {
        "policy_namespaces": list(policy.days),
        "policy_days": list(policy.days.values()),
        "hold_ids": [hold.id for hold in holds],
        "hold_clusters": [hold.cluster for hold in holds],
        "hold_namespaces": [hold.namespace for hold in holds],
        "hold_uids": [hold.uid for hold in holds],
        "now": now.astimezone(UTC).isoformat(),
    }
