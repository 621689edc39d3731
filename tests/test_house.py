"""The house rules: reads every file and says which sentence of them was broken.

An exception stands here with its reason, or it is no exception.
"""

import ast
import re
from pathlib import Path

import pytest

from tests.reading import ROOT, calls, code, imports, room, texts, tracked

MOST_LINES = 350
MIDDLE = frozenset({"rules", "journal", "db", "cache", "integrations"})
# From the bottom up; nobody imports a floor above, and one's own only as `_may_import` says.
FLOORS: dict[str, int] = {
    "base": 0,
    "schemas": 1,
    **dict.fromkeys(MIDDLE, 2),
    "admin": 3,
    "ingest": 4,
    "workers": 4,
    "ingest_api": 5,
    "scheduler": 5,
    "ops": 6,
}

# file → what it may import beside the rules, and why
ALSO_IMPORTS = {
    ("ingest/process.py", "workers"): "a door sends nudges, with the sender the scheduler uses",
}
# Time, environment, output and SQL belong to one room each; these files are let off.
READS_TIME = {
    "base/clock.py": "the one room for it",
    "ingest/responses.py": "the Date header is text of this very second, made by the library",
}
READS_ENVIRONMENT = {
    "ops/local/fleet.py": "children inherit what the person has set, PATH and the like included",
    "ops/bench/stage.py": "children are measured without what the person has set",
}
WRITES_SQL = {
    "ops/local/postgres.py": "makes the database before there is one that db/ could speak to",
    "ops/bench/database.py": "measures raw COPY, for which no product statement exists",
    "ops/bench/product_rows.py": "counts rows and copies them: who is measured holds no ruler",
    "ops/bench/workflow_rows.py": "seeds in bulk and counts: who is measured holds no ruler",
    "ingest/copy.py": "a door's own SQLite file, no table of the product's",
}
SPEAKS_REDIS = {
    "journal/claims.py": "the worker's end of the journal",
    "journal/wire.py": "the door's end of the journal",
    "journal/marks.py": "the operator's look at the journal",
    "workers/on_redis.py": "the broker, when it is one",
    "journal/room.py": "asks how full the journal's server is",
    "workers/maintenance/chores.py": "names the errors of what nudges does",
}
IMPORTS_INSIDE = {
    "workers/runner.py": "a broker is needed only once the queues are known to exist",
}
LONG = {
    "ingest/http.py": "one protocol, one state machine: cut, its halves would share every field",
    "tests/schemas/test_events.py": "one noun",
}
FORBIDDEN_NAMES = re.compile(r"(^|_)(utils?|helpers?|common|managers?|services?)(_|$)")
# In pieces, so that this file does not break its own rule.
INDEX_HOSTS = re.compile("py" + r"pi\.org|python" + r"hosted|npm" + r"js\.|proxy\.gol" + "ang")
MACHINE_PATHS = re.compile(r"(?<![\w.:/])/(?:" + "work|root|home" + r")/\w")
CLOCKS = frozenset(
    {
        "time.time", "time.time_ns", "time.monotonic", "time.monotonic_ns", "time.perf_counter",
        "time.sleep", "datetime.now", "datetime.utcnow", "datetime.today", "date.today",
        "datetime.datetime.now", "datetime.date.today",
    }
)  # fmt: skip
SQL = re.compile(
    r"^\s*(SELECT\s.+\sFROM\s|INSERT\s+INTO\s|UPDATE\s+\S+\s+SET\s|DELETE\s+FROM\s"
    r"|COPY\s+\S+\s*[(]|CREATE\s+(TABLE|INDEX|DATABASE|ROLE)\s|ALTER\s+TABLE\s|DROP\s+TABLE\s"
    r"|WITH\s+\w+\s+AS\s*[(]|TRUNCATE\s)",
    re.DOTALL,
)


def ours() -> dict[str, ast.Module]:
    """The product's own files: no tests, no migrations."""
    return {name: tree for name, tree in code().items() if room(name) in FLOORS}


def broken(sentence: str, found: list[str]) -> None:
    """Fail with the sentence and where it is broken."""
    if found:
        pytest.fail(sentence + "\n  " + "\n  ".join(found), pytrace=False)


def _may_import(name: str, wanted: str) -> bool:
    own = room(name)
    if own == wanted or (name, wanted) in ALSO_IMPORTS:
        return True
    if own in ("ingest_api", "scheduler") and wanted == "workers":
        return own == "scheduler"  # the clock nudges; a door does so through ingest/process.py
    if own == "scheduler" and wanted == "ingest":
        return False
    return FLOORS[wanted] < FLOORS[own]


def test_imports_go_down_only() -> None:
    found = [
        f"{name}:{line} imports {imported}"
        for name, tree in ours().items()
        for imported, line in imports(tree)
        if (wanted := imported.partition(".")[0]) in FLOORS and not _may_import(name, wanted)
    ]

    broken(
        "Imports go down only: ops → ingest_api, scheduler → ingest, workers → admin → rules |"
        " journal | db | cache | integrations → schemas → base; the five in the middle do not know"
        " one another, and nobody imports ops.",
        found,
    )


def test_nobody_imports_upwards_by_name() -> None:
    """`import_module` would go around the rule above."""
    found = [
        f"{name}:{line}"
        for name, tree in ours().items()
        for called, line in calls(tree)
        if called.endswith(("import_module", "__import__")) and room(name) != "ops"
    ]

    broken("Imports are written as imports; only the command line picks a module by name.", found)


def test_no_import_of_ours_stands_inside_a_function() -> None:
    found = [
        f"{name}:{line} imports {imported}"
        for name, tree in ours().items()
        if not name.startswith("ops/cli/") and name not in IMPORTS_INSIDE
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for imported, line in imports(node)
        if imported.partition(".")[0] in FLOORS
    ]

    broken("No import inside a function to get around a circle: move the line to its room.", found)


def test_only_the_clock_reads_the_time() -> None:
    imported_bare = [
        f"{name}:{line} imports {imported}"
        for name, tree in ours().items()
        if name not in READS_TIME
        for imported, line in imports(tree)
        if imported in CLOCKS
    ]
    called = [
        f"{name}:{line} calls {called}"
        for name, tree in ours().items()
        if name not in READS_TIME
        for called, line in calls(tree)
        if called in CLOCKS or called in ("formatdate", "email.utils.formatdate")
    ]

    broken("Only base/clock.py reads the time.", imported_bare + called)


def test_only_the_settings_read_the_environment() -> None:
    found = [
        f"{name}:{node.lineno}"
        for name, tree in ours().items()
        if name not in READS_ENVIRONMENT
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and ast.unparse(node) in ("os.environ", "os.getenv", "os.environb", "os.putenv")
    ]

    found += [
        f"{name}:{line} imports {imported}"
        for name, tree in ours().items()
        for imported, line in imports(tree)
        if imported.startswith("pydantic_settings") and name != "base/settings.py"
    ]

    broken("Only base/settings.py reads the environment.", found)


def test_only_db_holds_sql() -> None:
    found = [
        f"{name}:{line} {text.strip().split(chr(10))[0][:60]}"
        for name, tree in ours().items()
        if room(name) != "db" and name not in WRITES_SQL
        for text, line in texts(tree)
        if SQL.match(text)
    ]

    broken("Only db/ (with alembic/) writes SQL.", found)


def test_only_ops_prints() -> None:
    found = [
        f"{name}:{line}"
        for name, tree in ours().items()
        if room(name) != "ops"
        for called, line in calls(tree)
        if called in ("print", "sys.stdout.write", "sys.stderr.write", "typer.echo")
    ]

    broken("Only ops/ prints; everybody else logs.", found)


def test_only_the_journal_and_the_broker_speak_to_redis() -> None:
    found = [
        f"{name}:{line} imports {imported}"
        for name, tree in ours().items()
        if room(name) not in ("ops", "cache") and name not in SPEAKS_REDIS
        for imported, line in imports(tree)
        if imported.partition(".")[0] in ("redis", "hiredis")
    ]

    broken("Only journal/, cache/ and the broker speak to Redis.", found)


def test_only_integrations_call_other_companies() -> None:
    clients = (
        "httpx",
        "requests",
        "urllib.request",
        "http.client",
        "aiohttp",
        "smtplib",
        "boto3",
        "aiosmtplib",
        "obstore",
    )
    found = [
        f"{name}:{line} imports {imported}"
        for name, tree in ours().items()
        if room(name) not in ("integrations", "ops")
        for imported, line in imports(tree)
        if imported.startswith(clients)
    ]

    broken("Only integrations/ calls other companies.", found)


def test_decisions_and_shapes_do_no_io() -> None:
    io = ("socket", "subprocess", "asyncio", "threading", "psycopg", "redis", "pathlib", "os")
    found = [
        f"{name}:{line} imports {imported}"
        for name, tree in ours().items()
        if room(name) in ("rules", "schemas")
        for imported, line in imports(tree)
        if imported.partition(".")[0] in io
    ]

    broken("rules/ and schemas/ do no I/O at all: plain values in, plain values out.", found)


def test_no_file_is_called_after_nothing_in_particular() -> None:
    found = [
        name
        for name in code()
        if any(FORBIDDEN_NAMES.search(part.removesuffix(".py")) for part in name.split("/"))
    ]

    broken("Files are called by their noun: no utils, helpers, common, manager, service.", found)


def test_each_file_opens_with_a_sentence() -> None:
    found = [
        name
        for name, tree in code().items()
        if not re.match(r"\S.{10,}?[.:!?]", (ast.get_docstring(tree) or "").split("\n\n")[0], re.S)
    ]

    broken("Each file opens with one sentence that says what it is.", found)


def test_no_file_is_longer_than_one_sitting() -> None:
    lengths = {name: (ROOT / name).read_text().count("\n") for name in code() if name not in LONG}
    found = [f"{name} has {lines}" for name, lines in lengths.items() if lines > MOST_LINES]

    broken(f"No file has more than {MOST_LINES} lines: split it by noun or by step.", found)


def test_alembic_is_no_package() -> None:
    found = [name for name in tracked() if re.fullmatch(r"alembic/(.*/)?__init__\.py", name)]

    broken("alembic/ never gets an __init__.py: with one it hides the library.", found)


def test_each_folder_of_tests_is_a_package() -> None:
    folders = {Path(name).parent for name in code() if name.startswith("tests/")}
    found = [
        str(folder) for folder in sorted(folders) if not (ROOT / folder / "__init__.py").exists()
    ]

    broken("Every folder under tests/ has an __init__.py: else tests/db hides db.", found)


def test_no_file_names_a_package_index_or_a_place_on_somebodys_machine() -> None:
    found = []
    for name in tracked():
        try:
            text = (ROOT / name).read_text()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.split("\n"), 1):
            if INDEX_HOSTS.search(line) or MACHINE_PATHS.search(line):
                found.append(f"{name}:{number} {line.strip()[:80]}")

    broken("No package index's host and no path of one machine stands in the project.", found)


def test_each_exception_is_still_needed() -> None:
    listed = {
        *READS_TIME, *READS_ENVIRONMENT, *WRITES_SQL, *SPEAKS_REDIS, *IMPORTS_INSIDE, *LONG,
        *(name for name, _ in ALSO_IMPORTS),
    }  # fmt: skip

    broken("An exception goes when its file goes.", sorted(listed - set(tracked())))
