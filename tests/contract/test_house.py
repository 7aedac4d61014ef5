"""The house: which part may import which, how long a file may be, and that everything is documented."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LONGEST_FILE = 400
LONGEST_PROGRAM = 40
PARTS = ("components", "steps", "toolchain", "plugin", "policies", "examples", "commands", "benchmarks", "tests")


def sources(*folders: str) -> list[Path]:
    """The Python files of these folders of the project, `.` for those beside them; none that is empty."""
    found: list[Path] = []
    for folder in folders:
        found += sorted(ROOT.glob("*.py") if folder == "." else (ROOT / folder).rglob("*.py"))
    # The policy pack has a virtual environment of its own in its folder.
    return [path for path in found if path.stat().st_size and ".venv" not in path.parts]


def relative(path: Path) -> str:
    """The file's path in the project."""
    return str(path.relative_to(ROOT))


def imported(path: Path) -> set[str]:
    """The modules that a file imports anywhere in it, by their full names."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{relative(path)}: relative imports hide where a name comes from"
            found.add(node.module or "")
    return found


def tops(path: Path) -> set[str]:
    """The top-level packages that a file imports."""
    return {name.partition(".")[0] for name in imported(path)}


OURS = {*PARTS, "mistakes", "paths", "settings", "reachability", "startup", "__main__"}
ALLOWED = {
    "components": {"components"},
    "steps": {"steps", "components"},
    "toolchain": {"toolchain"},
    "plugin": {"plugin", "components"},
    "policies": set(),
    "examples": {"driftwood", "examples"},
    "benchmarks": {"benchmarks"},
    "commands": {"commands", "components", "steps", "settings"},
}


@pytest.mark.parametrize("part", [part for part in ALLOWED if (ROOT / part).is_dir()])
def test_dependencies_point_one_way(part: str) -> None:
    files = sources(part)
    assert files
    for path in files:
        assert tops(path) & OURS <= ALLOWED[part], relative(path)


def test_the_program_comes_before_settings_and_settings_before_components() -> None:
    assert tops(ROOT / "mistakes.py") & OURS <= {"components"}
    assert tops(ROOT / "paths.py") & OURS <= {"components", "settings"}  # the latter for its types alone
    assert tops(ROOT / "settings.py") & OURS <= {"components", "mistakes", "paths"}
    assert tops(ROOT / "reachability.py") & OURS <= {"components", "settings"}
    for path in sources("components", "steps"):
        assert not tops(path) & {"settings", "reachability", "__main__"}, relative(path)


BOTTOM = ("artifact", "buildkit", "docker_login", "git_environment")
"""The modules of components that steps know, too."""


@pytest.mark.parametrize("name", BOTTOM)
def test_what_steps_share_with_components_is_at_the_bottom(name: str) -> None:
    path = ROOT / "components" / f"{name}.py"
    assert tops(path) <= sys.stdlib_module_names | {"components"}
    assert {it for it in imported(path) if it.startswith("components")} <= {f"components.{it}" for it in BOTTOM}


@pytest.mark.parametrize("path", sources("steps"), ids=relative)
def test_a_step_knows_the_standard_library_its_siblings_and_what_is_at_the_bottom_alone(path: Path) -> None:
    others = {name for name in imported(path) if name.partition(".")[0] not in sys.stdlib_module_names}
    assert {name for name in others if not name.startswith("steps.")} <= {f"components.{name}" for name in BOTTOM}


@pytest.mark.parametrize(
    "path",
    # What lies among the Go modules is handed to the program's own Python by the language host.
    [path for path in sources("toolchain") if not path.is_relative_to(ROOT / "toolchain" / "go")],
    ids=relative,
)
def test_the_toolchain_runs_on_a_bare_python(path: Path) -> None:
    assert tops(path) <= {*sys.stdlib_module_names, "toolchain"}


@pytest.mark.parametrize("path", [it for it in sources("steps") if it.name != "__init__.py"], ids=relative)
def test_a_step_starts_without_the_libraries_of_the_program(path: Path) -> None:
    heavy = ("pulumi", "pydantic", "pulumi_command", "grpc")
    script = f"import sys, steps.{path.stem}; print([name for name in {heavy} if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def test_the_arguments_of_every_build_wait_for_no_patterns_of_secrets() -> None:
    arguments = {
        "VERSION": "1.4.0",
        "REVISION": f"{'0123456789abcdef' * 2}01234567-dirty",
        "CREATED": "2026-11-23T21:14:36Z",
        "SOURCE_DATE_EPOCH": "1795468476",
    }
    heavy = ("components.secret_tokens", "components.secret_harmless", "components.secret_command")
    script = (
        "import sys; from components.secret import refuse_secrets; import settings, components.release; "
        f"refuse_secrets({arguments}, ''); print([name for name in {heavy} if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


PACK = {path.stem for path in (ROOT / "policies").iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
PACK_STANDS_ON = {"pulumi", "pulumi_policy", "cryptography", "yaml"}


@pytest.mark.parametrize("path", sources("policies"), ids=relative)
def test_the_policy_pack_stands_alone(path: Path) -> None:
    assert tops(path) <= {*sys.stdlib_module_names, *PACK_STANDS_ON, *PACK}


def test_the_policy_pack_has_no_module_that_is_called_like_one_of_ours() -> None:
    # Both are on the path of the tests.
    assert not PACK & (OURS - {"__main__"})


@pytest.mark.parametrize("path", sources("components", "steps", ".", "plugin"), ids=relative)
def test_the_command_line_costs_the_program_nothing(path: Path) -> None:
    assert not tops(path) & {"commands", "typer", "rich"}


def test_the_command_line_starts_without_the_libraries_of_the_program() -> None:
    heavy = ("pulumi", "pydantic", "grpc", "rich.table", "steps", "components", "settings")
    script = f"import sys, commands.__main__; print([name for name in {heavy} if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


@pytest.mark.parametrize("path", [it for it in sources("commands") if it.stem != "console"], ids=relative)
def test_there_is_one_place_that_makes_a_console(path: Path) -> None:
    calls = [node.func for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    assert not [call for call in calls if ast.unparse(call).rpartition(".")[2] == "Console"]


def test_components_are_imported_one_by_one() -> None:
    tree = ast.parse((ROOT / "components" / "__init__.py").read_text(encoding="utf-8"))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]


def everything() -> list[Path]:
    """All Python files of the project."""
    return [*sources("."), *sources(*(part for part in PARTS if (ROOT / part).is_dir()))]


@pytest.mark.parametrize("path", everything(), ids=relative)
def test_a_file_can_be_read_at_a_sitting_and_says_what_it_is(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST_FILE
    assert ast.get_docstring(ast.parse(text))


def public_classes(tree: ast.Module) -> list[ast.ClassDef]:
    """The classes of a module that others may use."""
    return [it for it in tree.body if isinstance(it, ast.ClassDef) and not it.name.startswith("_")]


@pytest.mark.parametrize("path", [it for it in everything() if "tests" not in it.parts], ids=relative)
def test_everything_public_is_documented(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    parents: list[ast.Module | ast.ClassDef] = [tree, *public_classes(tree)]
    bare = [
        node.name
        for parent in parents
        for node in parent.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert bare == []


def test_the_program_is_short() -> None:
    assert len((ROOT / "__main__.py").read_text(encoding="utf-8").splitlines()) < LONGEST_PROGRAM


WORDS = (
    "TO" + "DO",
    "FIX" + "ME",
    "NotImplemented" + "Error",
    "pytest.mark." + "skip",
    "pytest." + "skip(",
    "xf" + "ail",
)


@pytest.mark.parametrize("path", everything(), ids=relative)
def test_nothing_is_left_for_later(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert [word for word in WORDS if word in text] == []


# `verification` may: what a registry holds can break anything there, and the answer is then one that fails closed.
RULES = ("policies/rules", "policies/judging", "policies/detection")


@pytest.mark.parametrize("path", sources("components", "steps", ".", "plugin", *RULES), ids=relative)
def test_no_bare_except_swallows_what_it_does_not_know(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"{relative(path)}:{node.lineno}"
            names = {it.id for it in ast.walk(node.type) if isinstance(it, ast.Name)}
            assert not names & {"Exception", "BaseException"} or any(
                isinstance(it, ast.Raise) for it in ast.walk(node)
            ), f"{relative(path)}:{node.lineno}"
