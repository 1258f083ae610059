"""``.pre-commit-hooks.yaml`` and ``action.yml``: what they run exists, and does what they say."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from perdure.cli.app import COMMANDS
from tests.checkout import ROOT

pytestmark = pytest.mark.slow  # Each runs the commands as a process of its own.

HOOKS: list[dict[str, Any]] = YAML(typ="safe", pure=True).load(ROOT / ".pre-commit-hooks.yaml")
ACTION: dict[str, Any] = YAML(typ="safe", pure=True).load(ROOT / "action.yml")
STEPS: dict[str, dict[str, Any]] = {each["name"]: each for each in ACTION["runs"]["steps"]}
TIDY = """\
dsl: perdure/1
name: case
version: 1.0.0
do:
  - return: 1
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with a workflow that is in order, committed."""
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "case.perdure.yaml").write_text(TIDY, "utf-8")
    shell(tmp_path, "git init -q -b main && git add . && git commit -q -m first")
    return tmp_path


def shell(where: Path, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a script as a step of a job does: the first command that fails ends it."""
    tools = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    names = ("AUTHOR_NAME", "AUTHOR_EMAIL", "COMMITTER_NAME", "COMMITTER_EMAIL")
    git = {f"GIT_{name}": "t@example.org" for name in names}
    environment = {
        "PATH": tools,
        "HOME": str(where),
        "LC_ALL": "C.UTF-8",
        "NO_COLOR": "1",
        **git,
        **variables,
    }
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=where,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def hook(name: str) -> dict[str, Any]:
    """The hook of this id."""
    (found,) = (each for each in HOOKS if each["id"] == name)
    return found


def run_hook(name: str, where: Path, *files: str) -> subprocess.CompletedProcess[str]:
    """Run the command of a hook as pre-commit does."""
    found = hook(name)
    words = [*shlex.split(found["entry"]), *found.get("args", [])]
    if found.get("pass_filenames", True):
        words += [each for each in files if re.search(found["files"], each)]
    return shell(where, shlex.join(words))


def step(name: str, where: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
    """Run a step of the action with these inputs, else with the defaults."""
    values = {key: inputs.get(key, each["default"]) for key, each in ACTION["inputs"].items()}
    variables = {
        key: re.sub(r"\$\{\{ inputs\.([a-z-]+) \}\}", lambda match: values[match[1]], value)
        for key, value in STEPS[name]["env"].items()
    }
    variables = {key: inputs.get(key, value) for key, value in variables.items()}
    return shell(where, STEPS[name]["run"], GITHUB_STEP_SUMMARY=str(where / "summary.md"), **variables)


# Hooks ------------------------------------------------------------------------------------------


def test_the_hooks_are_those_of_the_page() -> None:
    """Each hook that the page names is there, and each that is there is named."""
    page = (ROOT / "docs" / "diagnostics.md").read_text("utf-8")
    assert re.findall(r"- id: (\S+)", page) == [each["id"] for each in HOOKS]


def test_validate_refuses_a_commit(project: Path) -> None:
    """The hook gets only workflow files, and fails when one has an error."""
    files = ("flows/case.perdure.yaml", "README.md", "other.yaml")
    assert run_hook("perdure-validate", project, *files).returncode == 0
    (project / files[0]).write_text(TIDY + "  - oops\n", "utf-8")
    refused = run_hook("perdure-validate", project, *files)
    assert refused.returncode == 1
    assert "flows/case.perdure.yaml:6:5: error[PD209]" in refused.stdout


def test_fmt_changes_what_is_committed(project: Path) -> None:
    """A file of another layout is written anew: pre-commit fails when a hook changes a file."""
    file = project / "flows" / "case.perdure.yaml"
    assert run_hook("perdure-fmt", project, "flows/case.perdure.yaml").returncode == 0
    assert file.read_text("utf-8") == TIDY
    file.write_text(TIDY.replace("  - return: 1", "    -   return:   1"), "utf-8")
    assert run_hook("perdure-fmt", project, "flows/case.perdure.yaml").returncode == 0
    assert file.read_text("utf-8") == TIDY


def test_the_schema_is_kept_up_to_date(project: Path) -> None:
    """The hook looks at the schema and at what it is made of, and writes it as it should be."""
    wanted = re.compile(hook("perdure-schema-check")["files"])
    names = ("perdure.schema.json", "flows/activities.py", ".pre-commit-config.yaml", "my_activities.py")
    assert [bool(wanted.search(name)) for name in names] == [True, True, True, False]
    (project / "perdure.schema.json").write_text("{}", "utf-8")
    assert run_hook("perdure-schema-check", project).returncode == 0
    assert json.loads((project / "perdure.schema.json").read_text("utf-8"))["$schema"]


# The action -------------------------------------------------------------------------------------


def test_the_action_calls_only_what_there_is() -> None:
    """Each command in the scripts is one of perdure's."""
    scripts = "\n".join(each.get("run", "") for each in STEPS.values())
    assert {*re.findall(r"\bperdure ([a-z]+) ", scripts)} == {"validate", "diagram"}
    assert {"validate", "diagram"} <= {*COMMANDS}


def test_no_input_is_written_into_a_script() -> None:
    """An input is a variable of the script, so that its text is never run."""
    assert [name for name, each in STEPS.items() if "${{" in each.get("run", "")] == []


def test_the_action_annotates(project: Path) -> None:
    """Findings are annotations; errors fail the step, warnings only with ``strict``."""
    assert step("Validate", project).returncode == 0
    file = project / "flows" / "case.perdure.yaml"
    file.write_text(TIDY.replace("1\n", "1\n").replace("return: 1", "return: ${ input.n / 2 }"), "utf-8")
    warned = step("Validate", project, paths="flows")
    assert (warned.returncode, warned.stdout[:43]) == (0, "::warning file=flows/case.perdure.yaml,line")
    assert step("Validate", project, strict="true").returncode == 1
    file.write_text(TIDY + "  - oops\n", "utf-8")
    assert step("Validate", project, paths="flows/case.perdure.yaml flows").returncode == 1
    assert step("Validate", project, paths="elsewhere").returncode == 2


def test_an_input_is_not_run(project: Path) -> None:
    """Text of an input is a name, whatever it looks like."""
    step("Validate", project, paths="$(touch owned) `touch owned`; touch owned", activities="$(touch owned)")
    assert not (project / "owned").exists()


def test_activities_are_known(project: Path) -> None:
    """Modules that are named are imported, and calls checked against them."""
    (project / "tools.py").write_text(
        "import perdure\n\n@perdure.activity('Greet')\ndef greet():\n    return 1\n", "utf-8"
    )
    calls = TIDY.replace("return: 1", "a: { call: Great }")
    (project / "flows" / "case.perdure.yaml").write_text(calls, "utf-8")
    found = step("Validate", project, activities="tools")
    assert found.returncode == 1
    assert "title=PD701::no activity is registered as 'Great'" in found.stdout


def test_sarif_is_written_whatever_is_found(project: Path) -> None:
    """The file for code scanning is there when there are errors, and the step succeeds."""
    (project / "flows" / "case.perdure.yaml").write_text(TIDY + "  - oops\n", "utf-8")
    assert step("Write SARIF", project).returncode == 0
    name = STEPS["Upload SARIF"]["with"]["sarif_file"]
    assert len(json.loads((project / name).read_text("utf-8"))["runs"][0]["results"]) == 1


def test_what_changed_is_drawn(project: Path) -> None:
    """The summary has a diagram of each workflow that changed and can be drawn, and of no other."""
    shell(project, "git checkout -q -b change")
    new, broken = project / "flows" / "new one.perdure.yaml", project / "flows" / "broken.perdure.yaml"
    new.write_text(TIDY.replace("case", "fresh"), "utf-8")
    broken.write_text("do:", "utf-8")
    shell(project, "git add . && git commit -q -m second")
    drawn = step("Draw what changed", project, BASE="main")
    assert drawn.returncode == 0
    summary = (project / "summary.md").read_text("utf-8")
    assert re.findall("^### (.+)", summary, re.MULTILINE) == ["flows/new one.perdure.yaml"]
    assert "```mermaid\nflowchart" in summary
    assert summary.count("```") == 2


def test_without_the_base_there_is_a_hint(project: Path) -> None:
    """A shallow checkout does not have what is compared with; that is no failure."""
    drawn = step("Draw what changed", project, BASE="0" * 40)
    assert drawn.returncode == 0
    assert "fetch-depth: 0" in drawn.stdout
