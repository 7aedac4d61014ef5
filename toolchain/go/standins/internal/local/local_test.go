package local

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi-go-provider/infer"
)

func text(value string) *string { return &value }

func runCommand(t *testing.T, command string, process Process) (Result, error) {
	t.Helper()
	var result Result
	err := run(t.Context(), command, process, &result)
	return result, err
}

func TestACommandsResultIsWhatItWrote(t *testing.T) {
	environment := map[string]string{"WORD": "from-environment"}
	result, err := runCommand(t, `cat; echo "$WORD"; pwd; printf 'a\n\n' >&2`, Process{
		Stdin: text("from-stdin\n"), Environment: &environment, Dir: text("/"),
	})
	if err != nil || result.Stdout != "from-stdin\nfrom-environment\n/" || result.Stderr != "a\n" {
		t.Errorf("got %+v, %v", result, err)
	}
}

func TestTheInterpreterGetsTheCommandAsItsLastArgument(t *testing.T) {
	interpreter := []string{"/bin/sh", "-c", `echo "[$0]"`}
	result, err := runCommand(t, "a 'b", Process{Interpreter: &interpreter})
	if err != nil || result.Stdout != "[a 'b]" {
		t.Errorf("got %+v, %v", result, err)
	}
}

func TestAFailureKeepsTheLastResultAndShowsBothStreamsInOrder(t *testing.T) {
	result := Result{Stdout: "before"}
	err := run(t.Context(), "echo out; sleep 0.1; echo err >&2; exit 7", Process{}, &result)
	wanted := "exit status 7: running \"echo out; sleep 0.1; echo err >&2; exit 7\":\nout\nerr\n"
	if err == nil || err.Error() != wanted || result.Stdout != "before" {
		t.Errorf("got %q and %+v, want %q", err, result, wanted)
	}
}

func TestThePreviousOutputIsInTheEnvironmentUnlessRefused(t *testing.T) {
	command := `echo "[$PULUMI_COMMAND_STDOUT][$PULUMI_COMMAND_STDERR]"`
	for refused, wanted := range map[bool]string{false: "[o][e]", true: "[][]"} {
		result := Result{Stdout: "o", Stderr: "e"}
		wantsIt := !refused
		err := run(t.Context(), command, Process{AddPreviousOutputInEnv: &wantsIt}, &result)
		if err != nil || result.Stdout != wanted {
			t.Errorf("got %q (%v), want %q", result.Stdout, err, wanted)
		}
	}
}

func TestTheEndOfTheContextEndsTheWholeGroup(t *testing.T) {
	marker := filepath.Join(t.TempDir(), "still-there")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	err := run(ctx, "(sleep 3; touch "+marker+") & wait", Process{}, &Result{})
	if !errors.Is(err, errTimedOut) || time.Since(began) > 2500*time.Millisecond {
		t.Errorf("got %v after %s", err, time.Since(began))
	}
	time.Sleep(3200*time.Millisecond - time.Since(began))
	if _, err := os.Stat(marker); err == nil {
		t.Error("what the command started lived on")
	}
}

func TestAPreviewRunsNothing(t *testing.T) {
	marker := filepath.Join(t.TempDir(), "ran")
	inputs := CommandInputs{Commands: Commands{Create: text("touch " + marker)}}
	created, err := (&Command{}).Create(t.Context(), infer.CreateRequest[CommandInputs]{
		Name: "name", Inputs: inputs, DryRun: true,
	})
	if err != nil || !strings.HasPrefix(created.ID, "name") {
		t.Errorf("got %+v, %v", created, err)
	}
	_, err = (&Command{}).Update(t.Context(), infer.UpdateRequest[CommandInputs, CommandState]{
		Inputs: inputs, DryRun: true,
	})
	if _, missing := os.Stat(marker); err != nil || missing == nil {
		t.Error("a preview ran the command")
	}
}

func TestLinesAreHandedOnWhole(t *testing.T) {
	var lines []string
	stream := newLineStream(func(line string) { lines = append(lines, line) })
	for _, part := range []string{"a", "b\nc\r\n", "\n", "d\xff", strings.Repeat("x", 200_000)} {
		if _, err := stream.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	stream.Close()
	wanted := []string{"ab", "c", "", "d\uFFFD" + strings.Repeat("x", 200_000)}
	if !slices.Equal(lines, wanted) {
		t.Errorf("got %.60q", lines)
	}
}

func TestTheLastRuleThatMatchesDecides(t *testing.T) {
	rules, err := parseRules([]string{"assets/**", "src/**.js", "!**secret.*", "src/kept-secret.js"})
	if err != nil {
		t.Fatal(err)
	}
	for file, wanted := range map[string]bool{
		"assets/logos/logo.svg": true, "src/index.js": true, "src/deep/index.js": true, "src/index.ts": false,
		"src/secret.js": false, "assets/secret.svg": false, "src/kept-secret.js": true, "other": false,
	} {
		if selects(rules, file) != wanted {
			t.Errorf("%s: want %t", file, wanted)
		}
	}
}
