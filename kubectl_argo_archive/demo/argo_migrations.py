"""The SQL of Argo's archive tables on Postgres: the oldest layout that we know, and every step since.

``{p}`` is the quoted schema and a dot, or nothing.
"""

from __future__ import annotations

# Physical column order and defaults are those that Argo's 69 migrations produce on an empty database:
# readers that select by position, or expect a primary key first, must fail here as they would there.
BASE = """
create table {p}schema_history (schema_version int not null{history_key});
create table {p}argo_archived_workflows (
    uid varchar(128) not null,
    name varchar(256) not null,
    phase varchar(25) not null,
    namespace varchar(256) not null,
    workflow json not null,
    startedat timestamp not null default current_timestamp,
    finishedat timestamp not null default current_timestamp,
    clustername varchar(64) not null,
    instanceid varchar(64) not null,
    primary key (clustername, uid)
);
create index argo_archived_workflows_i1 on {p}argo_archived_workflows (clustername, instanceid, namespace);
create index argo_archived_workflows_i2 on {p}argo_archived_workflows (clustername, instanceid, finishedat);
create table {p}argo_archived_workflows_labels (
    clustername varchar(64) not null,
    uid varchar(128) not null,
    name varchar(317) not null,
    value varchar(63) not null,
    primary key (clustername, uid, name),
    foreign key (clustername, uid) references {p}argo_archived_workflows (clustername, uid) on delete cascade
);
create table {p}argo_workflows (
    uid varchar(128) not null,
    namespace varchar(256) not null,{offload_extra}
    clustername varchar(64) not null,
    version varchar(64) not null,
    nodes json not null,
    updatedat timestamp not null default current_timestamp,
    primary key (clustername, uid, version)
);
create index argo_workflows_i1 on {p}argo_workflows (clustername, namespace, updatedat);
insert into {p}schema_history values (56);
"""

STEPS: dict[int, str] = {
    57: "create index argo_archived_workflows_i3 on {p}argo_archived_workflows (clustername, instanceid, name);",
    59: """
create index argo_archived_workflows_i4 on {p}argo_archived_workflows (startedat);
create index argo_archived_workflows_labels_i1 on {p}argo_archived_workflows_labels (name, value);
""",
    60: "alter table {p}argo_archived_workflows alter column workflow set data type jsonb using workflow::jsonb;",
    62: """
drop index {p}argo_archived_workflows_i4;
create index argo_archived_workflows_i4 on {p}argo_archived_workflows (clustername, startedat);
""",
    66: """
alter table {p}argo_archived_workflows add column creationtimestamp timestamp null;
update {p}argo_archived_workflows set creationtimestamp = startedat where creationtimestamp is null;
alter table {p}argo_archived_workflows alter column creationtimestamp set default current_timestamp;
create index argo_archived_workflows_i5 on {p}argo_archived_workflows (creationtimestamp);
""",
    68: """
drop index {p}argo_archived_workflows_i1;
create index argo_archived_workflows_i1 on {p}argo_archived_workflows
    (clustername, instanceid, namespace, startedat desc);
""",
}
