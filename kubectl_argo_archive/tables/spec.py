"""What a table of the lake is made of: :class:`TableSpec`, :class:`Column` and the types that columns have."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

TEXT = pa.string()
TIME = pa.timestamp("us", tz="UTC")
INT = pa.int64()
SMALL = pa.int32()
SECONDS = pa.float64()
FLAG = pa.bool_()
TEXTS = pa.list_(pa.field("element", TEXT))
TEXT_MAP = pa.map_(TEXT, TEXT)
INT_MAP = pa.map_(TEXT, INT)


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its Arrow type, what it means and one example, as text."""

    name: str
    type: pa.DataType
    doc: str
    example: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class TableSpec:
    """One table of the lake.

    Attributes:
        name: name in SQL and of the folder in the lake.
        doc: what one row is.
        columns: in the order in which they are stored.
        by_month: partitioned by ``month`` of the workflow's ``finished_at`` (tables of workflow rows).
        bloom: columns that get a Parquet Bloom filter.
        repeated: text of few different values, which travels to its file as a dictionary.
        unique: columns whose values hardly repeat, or only beside each other where zstd sees it, stored without a
            dictionary: smaller, sooner written and sooner read.
        prefixed: columns of long names that share their beginnings, stored delta encoded; only where that makes them
            a tenth smaller than zstd alone does, for it takes longer.
        optional: made when it is first written to, not with the lake.
        hidden: of no use to people's SQL, so without a name there.
        virtual: a name for SQL only, made from other tables; nothing of it lies in the lake.
    """

    name: str
    doc: str
    columns: tuple[Column, ...]
    by_month: bool = True
    bloom: tuple[str, ...] = ()
    repeated: tuple[str, ...] = ()
    unique: tuple[str, ...] = ()
    prefixed: tuple[str, ...] = ()
    optional: bool = False
    hidden: bool = False
    virtual: bool = False

    @property
    def holds_documents(self) -> bool:
        """Whether its rows are whole documents: few, and large."""
        return "json" in self.unique

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the data files (without the partition column)."""
        return pa.schema([pa.field(c.name, c.type) for c in self.columns])
