"""Keep the scores by task as blobs, and show them by a view.

A blob is the width of a value in bytes, 4 or 8, and the values, little endian: four bytes where
they hold every value of the vector exactly.  The view takes numbers apart by arithmetic, since
neither database reads a float from bytes: sign, exponent and fraction.  A NaN is null there on
SQLite, which has none.
"""

import struct
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

PAGE = 500  # rows in memory
KEY = "trial_id", "meta_iteration"


def upgrade() -> None:
    """Convert all vectors; on SQLite the pages that they leave free are used for new rows."""
    op.add_column("mo_reports", sa.Column("packed", sa.LargeBinary()))
    _convert("scores", sa.JSON(), "packed", sa.LargeBinary(), _pack)
    with op.batch_alter_table("mo_reports") as table:
        table.drop_column("scores")
        table.alter_column(
            "packed", new_column_name="scores", existing_type=sa.LargeBinary(), nullable=False
        )
    op.execute(_view(op.get_bind().dialect.name))


def downgrade() -> None:
    """Convert them back."""
    op.execute("DROP VIEW mo_scores")
    op.add_column("mo_reports", sa.Column("plain", sa.JSON()))
    _convert("scores", sa.LargeBinary(), "plain", sa.JSON(), _unpack)
    with op.batch_alter_table("mo_reports") as table:
        table.drop_column("scores")
        table.alter_column(
            "plain", new_column_name="scores", existing_type=sa.JSON(), nullable=False
        )


def _convert(
    source: str,
    source_type: Any,
    target: str,
    target_type: Any,
    change: Callable[[Any], Any],
) -> None:
    table = sa.table(
        "mo_reports",
        *(sa.column(name) for name in KEY),
        sa.column(source, source_type),
        sa.column(target, target_type),
    )
    trial_id, meta_iteration = (table.c[name] for name in KEY)
    page = sa.select(trial_id, meta_iteration, table.c[source]).order_by(trial_id, meta_iteration)
    fill = (
        sa.update(table)
        .where(trial_id == sa.bindparam("at_trial"), meta_iteration == sa.bindparam("at_rung"))
        .values({target: sa.bindparam("changed")})
    )
    bind, after = op.get_bind(), ("", 0)
    while True:
        place = sa.tuple_(trial_id, meta_iteration) > after
        rows = bind.execute(page.where(place).limit(PAGE)).all()
        if not rows:
            return
        changed = [{"at_trial": t, "at_rung": r, "changed": change(v)} for t, r, v in rows]
        bind.execute(fill, changed)
        after = rows[-1][0], rows[-1][1]


def _pack(values: list[float]) -> bytes:
    wide = struct.pack(f"<{len(values)}d", *values)
    try:
        narrow = struct.pack(f"<{len(values)}f", *values)
    except OverflowError:
        return b"\x08" + wide
    exact = list(struct.unpack(f"<{len(values)}f", narrow)) == list(values)
    return b"\x04" + narrow if exact else b"\x08" + wide


def _unpack(blob: bytes) -> list[float]:
    code = {4: "f", 8: "d"}[blob[0]]
    return list(struct.unpack(f"<{(len(blob) - 1) // blob[0]}{code}", blob[1:]))


def _view(dialect: str) -> str:
    """The view: a row for each task of a report."""
    sqlite = dialect == "sqlite"
    digits = "'0123456789ABCDEF'"

    def byte(n: int) -> str:
        if not sqlite:
            return f"get_byte(value, {n})::bigint"
        pair = [f"instr({digits}, substr(hex(value), {2 * n + i}, 1)) - 1" for i in (1, 2)]
        return f"(({pair[0]}) * 16 + {pair[1]})"

    def whole(high: int) -> str:
        return " + ".join(f"{byte(n)} * {256**n}" for n in range(high + 1))

    def top(high: int) -> str:
        return f"({byte(high)} * 256 + {byte(high - 1)})"

    if sqlite:
        width = "(CASE substr(scores, 1, 1) WHEN x'04' THEN 4 ELSE 8 END)"
        tasks = (
            "WITH RECURSIVE tasks(task) AS (SELECT 0 UNION ALL SELECT task + 1 FROM tasks "
            "WHERE task + 1 < (SELECT max((length(scores) - 1) / 4) FROM mo_reports))"
        )
        source = f"mo_reports JOIN tasks ON task < (length(scores) - 1) / {width}"
    else:
        width, tasks = "get_byte(scores, 0)", ""
        source = f"mo_reports, generate_series(0, (length(scores) - 1) / {width} - 1) AS task"
    infinity, no_number = ("9e999", "NULL") if sqlite else ("'Infinity'::float8", "'NaN'::float8")
    return f"""
CREATE VIEW mo_scores AS {tasks}
SELECT trial_id, meta_iteration, task,
    CASE
        WHEN exponent = CASE bits WHEN 23 THEN 255 ELSE 2047 END
        THEN CASE WHEN fraction = 0 THEN sign * {infinity} ELSE {no_number} END
        WHEN exponent = 0
        THEN sign * fraction * power(two, CASE bits WHEN 23 THEN -149 ELSE -1074 END)
        ELSE sign * (1 + fraction / power(two, bits))
            * power(two, exponent - CASE bits WHEN 23 THEN 127 ELSE 1023 END)
    END AS score
FROM (
    SELECT trial_id, meta_iteration, task, CAST(2 AS DOUBLE PRECISION) AS two,
        CASE width WHEN 4 THEN 23 ELSE 52 END AS bits,
        CAST(CASE WHEN high >= 32768 THEN -1 ELSE 1 END AS DOUBLE PRECISION) AS sign,
        CASE width WHEN 4 THEN high / 128 % 256 ELSE high / 16 % 2048 END AS exponent,
        CAST(CASE width
            WHEN 4 THEN high % 128 * 65536 + {whole(1)}
            ELSE high % 16 * {256**6} + {whole(5)}
        END AS DOUBLE PRECISION) AS fraction
    FROM (
        SELECT trial_id, meta_iteration, task, width, value,
            CASE width WHEN 4 THEN {top(3)} ELSE {top(7)} END AS high
        FROM (
            SELECT trial_id, meta_iteration, task, {width} AS width,
                substr(scores, 2 + task * {width}, {width}) AS value
            FROM {source}
        ) AS cut
    ) AS opened
) AS parts
"""  # noqa: S608
