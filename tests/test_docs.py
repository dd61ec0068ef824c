"""Every Python example in the README and the documentation runs and prints what it says."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

import hal
from hal.scaffold import create_plugin

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def examples(page):
    """Return a page's Python blocks, each ended by an empty line, as one session."""
    blocks = re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    return "\n".join(blocks)


WITH_EXAMPLES = [page for page in PAGES if ">>>" in examples(page)]


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=lambda p: str(p.relative_to(ROOT)))
def test_examples_on_the_page_print_what_it_says(page, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(create_plugin("minimal", tmp_path / "hal-minimal") / "src")
    monkeypatch.delenv("HAL_DEVICE", raising=False)
    hal.reset_report()  # A page may show what ran where.
    test = doctest.DocTestParser().get_doctest(examples(page), {}, page.name, str(page), 0)
    failures = []
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    runner.run(test, out=failures.append)
    assert runner.tries, "the page has no examples"
    assert not runner.failures, "\n".join(failures)


def test_the_readme_and_the_quickstart_have_examples():
    assert {"README.md", "quickstart.md"} <= {page.name for page in WITH_EXAMPLES}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_to_files_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_tables_that_are_made_are_read_as_the_text_they_are(page):
    """What the directives of docs/_ext write is no Markdown."""
    assert not re.findall(
        r"^```\{(operators|dtypes|chips|functions)\}", page.read_text(), re.MULTILINE
    )
