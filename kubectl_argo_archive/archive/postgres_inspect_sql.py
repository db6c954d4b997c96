"""The questions that ``verify`` asks a database; catalogs and cheap scans, no document is read whole."""

from __future__ import annotations

ARCHIVE = "argo_archived_workflows"
LABELS = "argo_archived_workflows_labels"
HISTORY = "schema_history"
NAMES = (ARCHIVE, LABELS, HISTORY)
OFFLOAD_COLUMNS = ("clustername", "uid", "version", "nodes")
IMITATORS = ("CockroachDB", "Redshift", "YugabyteDB", "-YB-", "Greenplum", "Materialize", "QuestDB")

PIN = """
select set_config('statement_timeout', %(timeout)s, true), set_config('lock_timeout', '2000', true),
       set_config('timezone', 'UTC', true)
"""

SERVER = """
select current_setting('server_version_num')::int as version_num,
       (select reset_val from pg_settings where name = 'TimeZone') as time_zone,
       current_setting('search_path') as search_path,
       pg_is_in_recovery() as in_recovery,
       coalesce((select rolsuper from pg_roles where rolname = current_user), false) as superuser,
       coalesce(has_schema_privilege(current_schema(), 'create'), false) as may_create,
       (select count(*) from pg_stat_activity where usename = current_user and pid <> pg_backend_pid())::int
           as connections,
       current_setting('max_connections')::int as max_connections,
       pg_database_size(current_database()) as bytes
"""

# the off-load table has a configurable name: it is the one with these columns
TABLES = f"""
select n.nspname as schema, c.relname as name, c.relkind::text as kind, pg_table_is_visible(c.oid) as visible,
       pg_get_userbyid(c.relowner)::text as owner, c.reltuples::bigint as rows,
       {len(OFFLOAD_COLUMNS)} = (select count(*) from pg_attribute a where a.attrelid = c.oid
          and a.attname in {OFFLOAD_COLUMNS} and not a.attisdropped) as is_offload,
       pg_total_relation_size(c.oid) as bytes, pg_indexes_size(c.oid) as bytes_of_indexes,
       s.n_dead_tup as dead_rows, greatest(s.last_vacuum, s.last_autovacuum) as vacuumed_at,
       has_table_privilege(c.oid, 'select') and has_schema_privilege(n.oid, 'usage') as may_select,
       has_table_privilege(c.oid, 'insert') as may_insert, has_table_privilege(c.oid, 'update') as may_update,
       has_table_privilege(c.oid, 'delete') as may_delete,
       (select json_object_agg(a.attname, format_type(a.atttypid, null)) from pg_attribute a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
       (select array_agg(a.attname::text order by k.n) from pg_index i
        cross join lateral unnest(i.indkey::int[]) with ordinality k (attnum, n)
        join pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum
        where i.indrelid = c.oid and i.indisprimary) as key,
       (select json_agg(json_build_object('name', x.relname, 'valid', i.indisvalid,
               'columns', regexp_replace(pg_get_indexdef(i.indexrelid), '^.*? USING \\w+ \\((.*)\\).*$', '\\1')))
        from pg_index i join pg_class x on x.oid = i.indexrelid where i.indrelid = c.oid) as indexes
from pg_class c join pg_namespace n on n.oid = c.relnamespace
left join pg_stat_all_tables s on s.relid = c.oid
where c.relkind in ('r', 'p', 'm', 'v', 'f') and n.nspname not in ('pg_catalog', 'information_schema')
  and n.nspname !~ '^pg_(toast|temp)'
  and (c.relname in {NAMES}
       or {len(OFFLOAD_COLUMNS)} = (select count(*) from pg_attribute a where a.attrelid = c.oid
          and a.attname in {OFFLOAD_COLUMNS} and not a.attisdropped))
order by pg_table_is_visible(c.oid) desc, n.nspname, c.relname
"""

GROUPS = """
select clustername as cluster, instanceid as instance_id, namespace, count(*)::bigint as rows,
       min(finishedat) filter (where finishedat > '1971-01-01') as oldest, max(finishedat) as newest
from {archive} group by 1, 2, 3 order by 4 desc limit 1000
"""

DAYS = """
select to_char(finishedat, 'YYYY-MM-DD') as day, count(*)::bigint as rows
from {archive} where finishedat > (select max(finishedat) from {archive}) - interval '30 days'
group by 1 order by 1
"""

# keys first: sorting must not carry documents along; a document is opened for a few values only
RECENT = """
select uid, namespace, name, phase, startedat as started, finishedat as finished,
       pg_column_size(workflow)::bigint as size,
       workflow->'status'->>'startedAt' as started_inside,
       workflow->'metadata'->'annotations'->>'workflows.argoproj.io/pod-name-format' as pod_names,
       (workflow->'metadata'->>'labels')::json as labels,
       pg_column_size(workflow) < 1000000 and workflow::text like '%%ARGO_POSTGRES_NULL_REPLACEMENT%%' as marker
from (select clustername, uid from {archive} order by finishedat desc limit %(limit)s) newest
join {archive} using (clustername, uid) order by finishedat desc
"""

RECENT_PLAIN = """
select uid, namespace, name, phase, startedat as started, finishedat as finished,
       pg_column_size(workflow)::bigint as size
from (select clustername, uid from {archive} order by finishedat desc limit %(limit)s) newest
join {archive} using (clustername, uid) order by finishedat desc
"""

REPEATED = """
select namespace || '/' || name as name, count(*)::bigint as rows
from {archive} group by namespace, name having count(*) > 1 order by 2 desc, 1 limit 20
"""

LIST_PLAN = """
explain (format json) select name, namespace, uid, phase, startedat, finishedat from {archive}
where clustername = 'default' and instanceid = '' order by startedat desc limit 20
"""

# uid is the second column of the primary key: naming the clusters lets the index serve
UIDS = """
select uid from {archive}
where clustername in (select distinct clustername from {archive}) and uid = any(%(uids)s)
"""

DOCUMENTS = """
select workflow::text as document from {archive} where (clustername, uid) in (
    (select clustername, uid from {archive} where pg_column_size(workflow) < 1000000
     order by finishedat desc limit %(number)s)
    union
    (select clustername, uid from {archive} where phase in ('Failed', 'Error') and pg_column_size(workflow) < 1000000
     order by finishedat desc limit %(failed)s)
)
"""
