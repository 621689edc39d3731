"""The project's own files, read: what they import, call and say."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@cache
def tracked() -> tuple[str, ...]:
    """Every file of the project, as git knows it: new ones too, ignored ones not."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True)
    return tuple(name for name in sorted(listed.stdout.split("\n")) if (ROOT / name).is_file())


@cache
def code() -> dict[str, ast.Module]:
    """Every Python file, parsed."""
    return {
        name: ast.parse((ROOT / name).read_text()) for name in tracked() if name.endswith(".py")
    }


def room(name: str) -> str:
    """The room a file stands in: its first folder, or its own name."""
    return name.partition("/")[0].removesuffix(".py")


def imports(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """What a file imports, anywhere in it: the whole dotted name and the line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield f"{node.module}.{alias.name}", node.lineno


def calls(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """What a file calls, as `a.b.c`, and the line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node.lineno


def texts(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """The text constants of a file that are no docstrings, and their lines."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or id(node) in docstrings:
            continue
        if isinstance(node.value, str):
            yield node.value, node.lineno
        elif isinstance(node.value, bytes):
            yield node.value.decode("latin-1"), node.lineno
