"""The documentation builds without a warning: every link, reference and docstring in it is sound."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("furo")

REPOSITORY = Path(__file__).resolve().parents[1]
DOCS = REPOSITORY / "bundles/bayes_pfl/docs"
GENERATED = {"notebooks", "reference"}
PAGES = sorted(p for p in DOCS.rglob("*.md") if p.relative_to(DOCS).parts[0] not in GENERATED)


def test_the_site_builds_without_a_warning(tmp_path):
    """All in one test, because a build takes long. Notebooks stay as they are; their own test executes them."""
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-D", "nb_execution_mode=off"]
    done = subprocess.run(
        [*command, "-d", str(tmp_path / "doctrees"), str(DOCS), str(tmp_path / "html")],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    check_pages(tmp_path / "html")
    check_reference(tmp_path / "html" / "reference/modules")


def check_pages(site: Path) -> None:
    """Every page is in the contents, and text that is shared with the README is where it belongs."""
    contents = (site / "index.html").read_text()
    names = [page.relative_to(DOCS).with_suffix(".html").as_posix() for page in PAGES]
    assert [name for name in names if f'href="{name}"' not in contents and name != "index.html"] == []
    assert "planar map and its log-determinant" in (site / "paper_to_code.html").read_text()
    assert "A volume is scored slice by slice" in (site / "limits.html").read_text()


def check_reference(modules: Path) -> None:
    """Every module has its page, and formulas are set as formulas."""
    paths = [path.relative_to(REPOSITORY).with_suffix("") for path in REPOSITORY.glob("bpfl_med/**/*.py")]
    names = {".".join(path.parts).removesuffix(".__init__") for path in paths if path.name != "__main__"}
    assert {page.stem for page in modules.glob("*.html")} == {*names, "modules"}
    page = (modules / "bpfl_med.networks.planar_flow.html").read_text()
    assert re.search(r'class="math notranslate nohighlight">\s*\\\[h\(z\) = z \+ u', page)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(DOCS)))
def test_files_in_commands_exist(page):
    blocks = re.findall(r"^```(?:bash|python)\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    words = [word for block in blocks for word in shlex.split(block.replace("'", '"'), comments=True)]
    named = [path for word in words for path in re.findall(r"(?:bundles|configs)/[\w./-]+\.(?:json|yaml)", word)]
    assert [path for path in named if not (REPOSITORY / path).is_file()] == []
