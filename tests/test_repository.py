"""What README and docs promise exists: commands, their files, links."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "bundles/*/docs/*.md", "notebooks/**/*.md")
    for path in REPOSITORY.glob(pattern)
)


def command(name: str) -> str:
    """Return the code block of README.md behind its mark, as `.ci/run` does."""
    text = (REPOSITORY / "README.md").read_text()
    (block,) = re.findall(rf"^<!-- command: {name} -->\n```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return block


@pytest.mark.parametrize("name", ["run", "test"])
def test_ci_extracts_the_command_that_the_readme_marks(name):
    source = (REPOSITORY / ".ci/run").read_text()
    function = re.search(r"^readme_command\(\) \{.*?^\}", source, re.MULTILINE | re.DOTALL)
    assert function is not None
    result = subprocess.run(
        ["bash", "-euc", f"{function.group()}\nreadme_command {name}"], capture_output=True, text=True, cwd=REPOSITORY
    )
    assert result.stdout == command(name)
    assert result.stdout.startswith("python3 -m venv .venv && . .venv/bin/activate && pip install")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_files_in_commands_exist(document):
    blocks = re.findall(r"^```bash\n(.*?)^```", document.read_text(), re.MULTILINE | re.DOTALL)
    words = [word for block in blocks for word in shlex.split(block, comments=True)]
    named = [path for word in words for path in re.findall(r"(?:bundles|configs)/[\w./-]+\.(?:json|yaml)", word)]
    assert [path for path in named if not (REPOSITORY / path).is_file()] == []


def test_the_run_command_names_config_files():
    assert len(re.findall(r"'[\w/]+\.(?:json|yaml)'", command("run"))) == 4


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_relative_links_lead_somewhere(document):
    links = re.findall(r"\]\(([^)\s]+)\)", document.read_text())
    relative = [link.split("#")[0] for link in links if not re.match(r"[a-z]+:", link) and not link.startswith("#")]
    generated = ("notebooks/", "reference/", "model_card")  # which the documentation site puts there
    written = [link for link in relative if not link.startswith(generated)]
    assert [link for link in written if not (document.parent / link).exists()] == []


def test_documents_are_found():
    assert {"README.md", "CONTRIBUTING.md", "bundles/bayes_pfl/docs/README.md"} <= {
        str(path.relative_to(REPOSITORY)) for path in DOCUMENTS
    }
