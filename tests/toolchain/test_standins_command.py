"""The command plugin, driven by the real command line: what Slipway's stand-in must do as the vendor's plugin does."""

import re
from pathlib import Path

import pytest

from tests.toolchain.standins_project import Project, interrupt_when, pids_in, timed_lines, wait_until, wait_until_gone

SECRET = "s3cr3t-bytes-of-a-test"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A fresh project with an empty stack."""
    return Project.create(tmp_path)


def test_a_secret_input_stays_secret_in_the_state_and_on_the_screen(project: Project) -> None:
    project.write(f"""
        import pulumi
        from pulumi_command import local
        secret = pulumi.Output.secret("{SECRET}")
        command = local.Command(
            "command", create='cat >/dev/null; test "$WORD" = {SECRET[:4]}"{SECRET[4:]}" && echo equal',
            stdin=secret, environment={{"WORD": secret}},
        )
        pulumi.export("said", command.stdout)
    """)
    printed = project.up()
    assert project.outputs() == {"said": "equal"}
    assert SECRET not in project.state()
    assert SECRET not in printed


def test_an_output_is_secret_where_the_program_asks_for_it(project: Project) -> None:
    project.write(f"""
        import pulumi
        from pulumi_command import local
        local.Command(
            "command", create="cat", stdin=pulumi.Output.secret("{SECRET}"), logging=local.Logging.NONE,
            opts=pulumi.ResourceOptions(additional_secret_outputs=["stdout"]),
        )
    """)
    assert SECRET not in project.up()
    assert SECRET not in project.state()


def test_output_is_shown_line_by_line_while_the_command_runs(project: Project) -> None:
    project.write("""
        from pulumi_command import local
        local.Command("command", create="echo first; sleep 2; echo second >&2")
    """)
    process = project.start("up", "--yes", "--skip-preview")
    seen: dict[str, float] = {}
    for moment, line in timed_lines(process):
        for word in ("first", "second"):
            if line.rstrip().endswith(word):
                seen.setdefault(word, moment)
    assert process.wait() == 0
    assert seen["second"] - seen["first"] > 1


def test_logging_decides_what_is_shown_and_not_what_is_kept(project: Project) -> None:
    project.write("""
        from pulumi_command import local
        local.Command("none", create="echo quiet-out; echo quiet-err >&2", logging=local.Logging.NONE)
        local.Command("one", create="echo quiet-too; echo loud >&2", logging=local.Logging.STDERR)
    """)
    printed = project.up()
    assert "quiet" not in printed
    assert "loud" in printed
    assert project.resource("none")["outputs"]["stdout"] == "quiet-out"
    assert project.resource("none")["outputs"]["stderr"] == "quiet-err"


def test_a_line_of_any_length_passes(project: Project) -> None:
    project.write("""
        import pulumi
        from pulumi_command import local
        command = local.Command("command", create="head -c 300000 /dev/zero | tr '\\\\0' x; echo; echo end")
        pulumi.export("length", command.stdout.apply(len))
    """)
    project.up()
    assert project.outputs() == {"length": 300_004}


@pytest.mark.parametrize("stubborn", [False, True], ids=["willing", "stubborn"])
def test_an_interrupt_ends_the_command_and_all_that_it_started(project: Project, stubborn: bool) -> None:
    pids = project.folder / "pids"
    trap = "trap : TERM INT;" if stubborn else ""
    project.write(f"""
        from pulumi_command import local
        local.Command("command", create="{trap} echo $$ >> {pids}; sleep 600 & echo $! >> {pids}; wait; sleep 600")
    """)
    process = project.start("up", "--yes", "--skip-preview")
    printed, seconds = interrupt_when(process, lambda: pids_in(pids, 2) is not None)
    assert process.returncode != 0
    assert seconds < 20
    assert "Traceback" not in printed
    wait_until_gone(pids_in(pids, 2))


def test_a_killed_engine_leaves_no_command_behind(project: Project) -> None:
    pids = project.folder / "pids"
    project.write(f"""
        from pulumi_command import local
        local.Command("command", create="echo $$ >> {pids}; sleep 600 & echo $! >> {pids}; wait")
    """)
    process = project.start("up", "--yes", "--skip-preview")
    wait_until(lambda: pids_in(pids, 2) is not None)
    process.kill()
    process.communicate()
    wait_until_gone(pids_in(pids, 2))


def test_run_works_in_a_preview_and_a_command_does_not_run_there(project: Project) -> None:
    marker = project.folder / "ran"
    project.write(f"""
        import pulumi
        from pulumi_command import local
        local.Command("command", create="touch {marker}")
        word = local.run_output(command="cat; echo $WORD", stdin="in-", environment={{"WORD": "env"}})
        pulumi.export("word", word.stdout)
    """)
    assert "in-env" in project.run("preview")
    assert not marker.exists()


def test_a_second_update_changes_nothing(project: Project) -> None:
    project.write("""
        import pulumi
        from pulumi_command import local
        local.Command(
            "command", create="echo a", update="echo b", delete="true", dir="/", interpreter=["/bin/bash", "-c"],
            triggers=[1, "two", {"three": [True]}], stdin=pulumi.Output.secret("x"), environment={"A": "b"},
            logging=local.Logging.STDOUT, add_previous_output_in_env=False,
        )
    """)
    project.up()
    project.up("--expect-no-changes")
    project.run("preview", "--expect-no-changes", "--refresh")


def test_a_change_runs_create_again_and_shows_it_the_previous_output(project: Project) -> None:
    program = """
        import pulumi
        from pulumi_command import local
        create = 'echo "{word} after [$PULUMI_COMMAND_STDOUT] [$PULUMI_COMMAND_STDERR]"; echo warned >&2'
        command = local.Command("command", create=create)
        pulumi.export("said", command.stdout)
    """
    project.write(program.format(word="one"))
    project.up()
    assert project.outputs() == {"said": "one after [] []"}
    project.write(program.format(word="two"))
    assert "~ command:local:Command" in re.sub(" +", " ", project.up())
    assert project.outputs() == {"said": "two after [one after [] []] [warned]"}


def test_update_runs_instead_of_create_and_a_trigger_replaces(project: Project) -> None:
    log = project.folder / "log"
    program = f"""
        from pulumi_command import local
        local.Command(
            "command", create="echo created >> {log}", update="echo updated >> {log}",
            delete="echo deleted >> {log}", environment={{"A": "ENVIRONMENT"}}, triggers=["TRIGGER"],
        )
    """
    project.write(program)
    project.up()
    project.write(program.replace("ENVIRONMENT", "other"))
    project.up()
    project.write(program.replace("TRIGGER", "other"))
    project.up()
    project.run("destroy", "--yes", "--skip-preview")
    assert log.read_text().split() == ["created", "updated", "created", "deleted", "deleted"]


def test_a_failing_command_fails_the_update_with_all_that_it_wrote(project: Project) -> None:
    project.write("""
        from pulumi_command import local
        local.Command("command", create="echo to-out; echo to-err >&2; exit 3")
    """)
    printed = project.up(fails=True)
    # Two pipes have no common order.
    both = r"(to-out\s+to-err|to-err\s+to-out)"
    wanted = r'error: exit status 3: running "echo to-out; echo to-err >&2; exit 3":\s+' + both
    assert re.search(wanted, printed), printed


def test_only_the_last_line_break_is_taken_off(project: Project) -> None:
    project.write("""
        from pulumi_command import local
        local.Command("command", create="printf 'a\\\\n\\\\n'")
    """)
    project.up()
    assert project.resource("command")["outputs"]["stdout"] == "a\n"


def test_assets_and_archive_hold_the_files_that_the_globs_select(project: Project) -> None:
    project.write("""
        from pulumi_command import local
        local.Command(
            "command", create="mkdir -p made/deep; touch made/a.txt made/b.log made/deep/c.txt made/deep/secret.txt",
            asset_paths=["made/*.txt"], archive_paths=["made/**.txt", "!**secret*"],
        )
    """)
    project.up()
    project.up("--expect-no-changes")
    outputs = project.resource("command")["outputs"]
    assert sorted(outputs["assets"]) == ["made/a.txt"]
    assert sorted(outputs["archive"]["assets"]) == ["made/a.txt", "made/deep/c.txt"]


def test_a_resource_of_the_provider_itself_looks_as_with_the_vendors_plugin(project: Project) -> None:
    project.write("""
        import pulumi_command
        pulumi_command.Provider("explicit")
    """)
    project.up()
    kept = project.resource("explicit")["outputs"]
    assert kept == {"__pulumi-go-provider-version": "1.2.0", "version": "1.2.1"}


def test_a_null_is_what_is_left_out(project: Project) -> None:
    project.write("""
        from pulumi_command import local
        local.Command(
            "command", create='echo "${TOKEN-none} $WORD"', environment={"TOKEN": None, "WORD": "word"},
            triggers=[{"left": None, "kept": [None, 2]}],
        )
    """)
    project.up()
    project.up("--expect-no-changes")
    kept = project.resource("command")["outputs"]
    assert kept["stdout"] == "none word"
    assert kept["environment"] == {"WORD": "word"}
    assert kept["triggers"] == [{"kept": [None, 2]}]


def test_output_that_is_no_utf_8_fails_and_is_not_kept(project: Project) -> None:
    project.write("""
        from pulumi_command import local
        local.Command("command", create="printf 'a\\\\377'")
    """)
    assert "non-UTF8 bytes" in project.up(fails=True)
    assert "Yf8=" not in project.state()


@pytest.mark.parametrize(
    ("inputs", "wanted"),
    [
        ('create="pwd", dir="/nonexistent"', 'chdir /nonexistent: no such file or directory: running "pwd"'),
        ('create="rmdir $PWD", dir="gone", asset_paths=["**"]', "no such file or directory"),
    ],
)
def test_a_folder_that_is_not_there_is_named(project: Project, inputs: str, wanted: str) -> None:
    (project.folder / "gone").mkdir()
    project.write(f"""
        from pulumi_command import local
        local.Command("command", {inputs})
    """)
    assert wanted in project.up(fails=True)
