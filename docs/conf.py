"""How Sphinx builds the documentation: ``make docs``."""

import sys
from pathlib import Path

import hal

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "hal"
author = "the hal authors"
copyright = author  # the name Sphinx reads
version = release = hal.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "registry",
]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"hal {version}"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_typehints = "none"  # the docstrings say types
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
