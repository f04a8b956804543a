"""How Sphinx makes the documentation site: `sphinx-build -W bundles/bayes_pfl/docs build/site`."""

import os
import pkgutil
import shutil
import sys
from pathlib import Path

from docutils.nodes import Element, TextElement
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

_HERE = Path(__file__).resolve().parent
_REPOSITORY = _HERE.parents[2]
sys.path.insert(0, str(_REPOSITORY))
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(_REPOSITORY), os.environ.get("PYTHONPATH"))))

from bpfl_med.version import __version__  # noqa: E402

# Sphinx reads one folder. Notebooks lie at the top of the repository, where people look for them.
shutil.copytree(_REPOSITORY / "notebooks", _HERE / "notebooks", dirs_exist_ok=True)

project = "bpfl_med"
author = "The bpfl_med developers"
release = version = __version__

extensions = [
    "myst_nb",
    "sphinx.ext.apidoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["notebooks/.ipynb_checkpoints"]
nitpicky = True
# Other packages are named in signatures; their inventories lie on the network, which a build does not need.
nitpick_ignore_regex = [
    (r"py:.*", r"(?!bpfl_med\.).*"),
    (r"py:.*", r"bpfl_med\..*\b(Conditioning|ImagePart|Plane|SegmentationType|ScoreProtocol|Metrics|Ranks|Value)"),
]

apidoc_modules = [
    {
        "path": str(_REPOSITORY / "bpfl_med"),
        "destination": "reference/modules",
        "separate_modules": True,
        "module_first": True,
        "automodule_options": {"members", "show-inheritance"},
    }
]
autodoc_default_options = {
    "ignore-module-all": True
}  # a thing is described where it is written, not where it is offered
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_timeout = 900
nb_execution_raise_on_error = True
nb_merge_streams = True
nb_output_stderr = "remove"  # progress bars

html_theme = "furo"
html_title = f"bpfl_med {version}"
html_static_path = ["static"]
html_css_files = ["long_lines.css"]
html_show_copyright = False
html_show_sphinx = False


def setup(app: Sphinx) -> None:
    """Let docstrings name a thing as it is imported, such as `bpfl_med.metrics.PixelMetrics`."""
    app.connect("missing-reference", _resolve_offered_name)


def _resolve_offered_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: TextElement
) -> Element | None:
    """Lead from the name under which a package offers a thing to the page of the module where it is written."""
    if node.get("refdomain") != "py" or not node["reftarget"].startswith("bpfl_med."):
        return None
    try:
        offered = pkgutil.resolve_name(node["reftarget"])
        written = f"{offered.__module__}.{offered.__qualname__}"
    except (AttributeError, ImportError, ValueError):
        return None
    python = env.get_domain("py")
    return python.resolve_xref(env, node["refdoc"], app.builder, node["reftype"], written, node, content)
