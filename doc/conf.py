"""Sphinx configuration."""

import re
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import exact_models_page

project = "skinfluence"
author = "The skinfluence developers"
copyright = author
version = release = installed_version(project)

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["templates"]
exclude_patterns = ["_build", "templates", "auto_examples/GALLERY_HEADER.rst"]
default_role = "literal"  # scikit-learn's docstrings, inherited, quote names so
html_theme = "pydata_sphinx_theme"

numpydoc_show_class_members = False  # the class template lists them

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "abort_on_example_error": True,
}


def escape_fitted_name(app, what, name, obj, options, lines):
    """Keep n_samples_fit_ in a shape from being read as a hyperlink."""
    lines[:] = [
        re.sub(r"(?<=[ (])n_samples_fit_(?=[,)])", r"n_samples_fit\\_", line)
        for line in lines
    ]


def setup(app):
    """Register the hooks."""
    app.connect("autodoc-process-docstring", escape_fitted_name)
    app.connect("builder-inited", lambda app: exact_models_page.write())
