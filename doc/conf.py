"""Sphinx configuration."""

import re
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import exact_models_page
import which_method_page
from course import pages as course_pages

project = "skinfluence"
author = "The skinfluence developers"
copyright = author
version = release = installed_version(project)

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",  # from a formula to the file that computes it
    "sphinx-mathjax-offline",  # brings MathJax, so that pages need no network
    "sphinx_design",
    "myst_parser",  # the pages of the course are Markdown
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["templates"]
exclude_patterns = [
    "_build",
    "templates",
    "auto_examples/GALLERY_HEADER.rst",
    "course/_build",
    "course/README.md",
]
default_role = "literal"  # scikit-learn's docstrings, inherited, quote names so
html_theme = "pydata_sphinx_theme"
html_title = "skinfluence"  # a longer one is wider than a telephone
html_static_path = ["_static"]
html_css_files = ["narrow.css"]

myst_enable_extensions = ["dollarmath"]
myst_update_mathjax = False

numpydoc_show_class_members = False  # the class template lists them

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "abort_on_example_error": True,
}


def mend_docstring(app, what, name, obj, options, lines):
    """Keep docstrings free of what would be read as links to nowhere.

    Names of attributes in a shape would be hyperlinks; methods that are inherited from
    scikit-learn refer to its user guide.
    """
    for i, line in enumerate(lines):
        shape = r"(?<=[ (])(n_samples_fit|n_features_in)_(?=[,)])"
        line = re.sub(shape, r"\1\\_", line)
        lines[i] = re.sub(r":ref:`([^<`]+) <accuracy_score>`", r"\1", line)


def setup(app):
    """Register the hooks."""
    app.connect("autodoc-process-docstring", mend_docstring)
    app.connect("builder-inited", lambda app: exact_models_page.write())
    app.connect("builder-inited", lambda app: which_method_page.write())
    app.connect("builder-inited", lambda app: course_pages.write())
