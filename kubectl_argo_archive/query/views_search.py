"""Log lines in SQL: the view ``log_lines`` over blocks of text, and the table macro ``search_logs`` over the index.

The macro computes the same hashes as ``logs/grams.py``; what the index cannot decide (needles of less than three
bytes of ASCII in a row) reads every block. It skips nothing that can match.
"""

from __future__ import annotations

MACRO = "search_logs"
LINES = "lake_lists.log_block_lines"
"""Internal view: the lines of all blocks, with the block that they stand in."""

SETTINGS = ("SET dynamic_or_filter_threshold = 1000",)
"""Joins with so many candidate blocks still skip row groups."""

_BLOCKS = """
SELECT o.cluster, o.uid, o.namespace, o.workflow, o.node_id, o.container, o.template_name AS template, o.export_id,
       b.block, b.log_id, b.first_line, b.byte_offset AS piece, b.at_start, b.at_size, b.entry_at, b.offsets,
       b.levels, b.groups, b.times, b.month, string_split(b.text, chr(10))[:length(b.levels)] AS texts
FROM ({blocks}) b JOIN {objects} o ON o.text_id = b.log_id
"""

_SUM = "coalesce(list_sum(list_transform(texts[{first}:i], lambda x: strlen(x) + 1)), 0)"

_LISTS = """
SELECT *, CASE WHEN groups IS NOT NULL AND at_start IS NOT NULL THEN list_transform(groups, lambda g:
           CASE WHEN g < first_line THEN NULL ELSE substring(texts[g - first_line + 1], at_start + 1, at_size) END)
       END AS heads
FROM pieces
"""

_ROWS = """
SELECT * EXCLUDE (heads, groups, times), unnest(texts) AS message, unnest(range(length(levels))) AS i,
       unnest(string_split(levels, '')) AS code, unnest(groups) AS group_no, unnest(heads) AS head,
       unnest(times) AS given, groups IS NULL AS alone
FROM lists
"""

# the sum from the last known place on: a window over all lines would hold every query up
_PLACE = f"""
piece + CASE
  WHEN offsets IS NULL THEN {_SUM.format(first="1")}
  WHEN len(offsets) = length(levels) THEN offsets[i + 1]
  ELSE offsets[i // 64 + 1] + {_SUM.format(first="(i // 64) * 64 + 1")}
END
"""

_LINES = f"""
SELECT block, cluster, uid, namespace, workflow, node_id, container, template, log_id, first_line + i AS line_no,
       ({_PLACE})::BIGINT AS byte_offset,
       CASE WHEN at_start IS NULL THEN given
            WHEN NOT alone AND group_no < first_line THEN entry_at
            ELSE TRY_CAST(replace(CASE WHEN alone THEN substring(message, at_start + 1, at_size) ELSE head END,
                                  ',', '.') AS TIMESTAMP WITH TIME ZONE) END AS "at",
       ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'][code::TINYINT] AS level,
       coalesce(group_no, first_line + i) AS group_no, message, export_id, month
FROM lines
"""


def lines_sql(blocks: str, objects: str) -> str:
    """The SELECT behind :data:`LINES`.

    Args:
        blocks: a SELECT over ``log_blocks``.
        objects: name of the view ``log_objects``.
    """
    pieces = _BLOCKS.format(blocks=blocks, objects=objects)
    return f"WITH pieces AS ({pieces}), lists AS ({_LISTS}), lines AS ({_ROWS}) {_LINES}"


def log_lines_sql(columns: tuple[str, ...]) -> str:
    """The SELECT behind ``log_lines``."""
    return f"SELECT {_quoted(columns)} FROM {LINES}"


_MASK = "4294967295"
_UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _byte(place: int) -> str:
    return f"ascii(g[{place}])::UBIGINT"


def _words(count: int) -> str:
    return " + ".join(f"{_byte(i + 1)} * {256**i}" for i in range(count))


# see logs/grams.py: the same steps, with numbers of 64 bits cut to 32
_LONG = (
    f"((xor(h2, h2 >> 15) * 3266489909) & {_MASK}) >> 13",
    f"((xor(h1, h1 >> 15) + {_words(4)}) * 2654435761) & {_MASK}",
    f"({_byte(5)} * 2246822507) & {_MASK}",
)
_SHORT = f"524288 + (((({_words(3)}) << 8) * 2654435761 & {_MASK}) >> 16)"


def macro_sql(grams: str, blocks: str, columns: tuple[str, ...]) -> str:
    """The statement that makes ``search_logs(needle)``: rows of ``log_lines`` whose message holds the text ``needle``.

    Args:
        grams: a SELECT over ``log_grams``.
        blocks: a SELECT over ``log_blocks``, of which only ``block`` is read.
        columns: of ``log_lines``.
    """
    return f"""
CREATE OR REPLACE MACRO {MACRO}(needle) AS TABLE
WITH folded AS (SELECT translate(needle, '{_UPPER}', '{_UPPER.lower()}') AS f),
windows AS (
    SELECT unnest(list_transform(range(1, length(f) - 3), lambda i: substring(f, i, 5))) AS g, 5 AS size FROM folded
    UNION ALL
    SELECT unnest(list_transform(range(1, length(f) - 1), lambda i: substring(f, i, 3))), 3 FROM folded
    WHERE length(f) < 5),
plain AS (SELECT DISTINCT g, size FROM windows WHERE strlen(g) = size),
hash1 AS (SELECT *, CASE WHEN size = 5 THEN {_LONG[2]} END AS h1 FROM plain),
hash2 AS (SELECT *, {_LONG[1]} AS h2 FROM hash1),
slots AS (SELECT DISTINCT (CASE WHEN size = 5 THEN {_LONG[0]} ELSE {_SHORT} END)::INTEGER AS slot
          FROM hash2 LIMIT 16),
found AS (SELECT segment, bit_and(bits::BIT) AS bits FROM ({grams}) WHERE slot IN (SELECT slot FROM slots)
          GROUP BY segment),
candidates AS (
    SELECT segment + i AS block FROM (SELECT segment, bits, unnest(range(length(bits))) AS i FROM found)
    WHERE get_bit(bits, ((i // 8) * 8 + 7 - i % 8)::INTEGER) = 1
    UNION ALL SELECT -1
    UNION ALL SELECT DISTINCT block FROM ({blocks}) WHERE (SELECT count(*) FROM slots) = 0)
SELECT {_quoted(columns)} FROM {LINES}
WHERE block IN (SELECT block FROM candidates) AND contains(message, needle)
"""


def _quoted(columns: tuple[str, ...]) -> str:
    return ", ".join(f'"{column}"' for column in columns)
