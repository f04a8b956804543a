"""Arrows between the folders of the package go one way."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import bpfl_med

PACKAGE = Path(bpfl_med.__file__).parent


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield the modules of this package that are imported anywhere."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "bpfl_med":
            yield from (f"bpfl_med.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("bpfl_med."):
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("bpfl_med."))
        yield from imported(node)


def folder_graph() -> dict[str, set[str]]:
    """Give the folders, and files outside of folders, that each one needs."""
    graph: dict[str, set[str]] = {}
    for file in PACKAGE.rglob("*.py"):
        name = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
        needs = {module.split(".")[1] for module in imported(ast.parse(file.read_text()))}
        graph.setdefault(name, set()).update(needs - {name})
    return graph


def test_no_folders_need_one_another():
    order = list(TopologicalSorter(folder_graph()).static_order())  # raises CycleError
    assert order.index("networks") < order.index("inferers") < order.index("handlers") < order.index("commands")


def test_what_others_are_built_on_needs_little():
    graph = folder_graph()
    assert graph["files"] == set()
    assert graph["machine"] <= {"files", "version"}
    assert graph["networks"] <= {"files", "machine"}
    assert graph["metrics"] <= {"files", "machine"}
    assert graph["dicom"] <= {"files", "machine", "version"}
