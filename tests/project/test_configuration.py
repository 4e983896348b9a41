"""Every variable that the settings read is documented, with its default, and nothing else is."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

from tests.project import environment
from tests.project.tree import PRODUCT, ROOT, modules, parsed, shown

# Whoever reads the environment beside mediadl/settings.py, and why they must.
OTHER_READERS = {
    "mediadl/healthcheck.py": "runs without Django, to be quick",
    "mediadl/wsgi.py": "names the settings module",
    "downloads/clusters.py": "tells django-q2 its queue where it looks for it",
    "downloads/succession.py": "hands an environment to the processes below it",
    "downloads/ytdlp_install.py": "hands pip its own settings",
    "downloads/engine/forkserver.py": "knows no settings, and sheds what it was not meant to get",
    "downloads/engine/guard.py": "knows no settings",
    "downloads/engine/overlay.py": "starts the fork server over",
    "downloads/engine/launch.py": "gives a child its temporary directory",
    "downloads/engine/sandbox.py": "looks for certificates where the libraries will",
    "downloads/engine/warming.py": "knows no settings",
}


def test_the_reference_lists_every_variable_and_no_other() -> None:
    assert environment.documented().keys() == environment.read_by_settings().keys()


def test_the_example_lists_every_variable_and_no_other() -> None:
    assert environment.exemplified().keys() == environment.read_by_settings().keys()


def test_the_reference_gives_the_defaults_of_the_settings() -> None:
    said = environment.documented()
    wrong = {
        variable.name: (said[variable.name], variable.default)
        for variable in environment.read_by_settings().values()
        if variable.default is not None and said[variable.name] != f"`{variable.default}`"
    }
    assert not wrong


def test_the_example_gives_the_defaults_of_the_settings() -> None:
    said = environment.exemplified()
    wrong = {
        variable.name: (said[variable.name], variable.default)
        for variable in environment.read_by_settings().values()
        if variable.default is not None and said[variable.name] != variable.default
    }
    assert not wrong


def test_the_example_sets_nothing() -> None:
    lines = environment.EXAMPLE.read_text().splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == []


def test_the_settings_can_read_the_whole_example(tmp_path: Path) -> None:
    variables = environment.exemplified() | {"DATA_DIR": str(tmp_path), "DATABASE_URL": f"sqlite:///{tmp_path}/db"}
    answer = subprocess.run(
        [sys.executable, "-c", "import mediadl.settings"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **variables},
        timeout=60,
        check=False,
    )
    assert (answer.returncode, answer.stderr) == (0, "")


def test_the_reference_says_which_variables_are_internal() -> None:
    text = environment.REFERENCE.read_text()
    assert {name for name in environment.INTERNAL if f"`{name}`" not in text} == set()


def test_only_the_settings_and_named_edges_read_the_environment() -> None:
    readers = {shown(path) for path in modules(*PRODUCT) if reads_the_environment(parsed(path))}
    assert readers - {"mediadl/settings.py"} == OTHER_READERS.keys()


def reads_the_environment(module: ast.Module) -> bool:
    names = {"environ", "environb", "getenv", "getenvb"}
    return any(
        (isinstance(node, ast.Attribute) and node.attr in names and ast.unparse(node.value) == "os")
        or (isinstance(node, ast.ImportFrom) and node.module == "os" and names & {item.name for item in node.names})
        for node in ast.walk(module)
    )


def test_the_variables_of_the_container_are_variables_of_ours() -> None:
    words = (ROOT / "Dockerfile").read_text().replace("=", " ").split()
    known = environment.read_by_settings().keys()
    assert {"DATA_DIR", "HOST", "PORT", "LOG_FORMAT"} <= known & set(words)
