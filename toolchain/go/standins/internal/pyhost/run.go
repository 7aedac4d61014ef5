package pyhost

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/pulumi/pulumi/sdk/v3/python/toolchain"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// failureWasShown is the exit code of exec.py after it told the user what went wrong.
const failureWasShown = 32

// execScript is what Python runs first; see its own text.
//
//go:embed exec.py
var execScript string

// bootstrap makes Python run execScript from the pipe that is its file 3. A file would have to lie somewhere, and the
// text itself as an argument would fill the list of processes. The hook keeps an interrupt quiet that comes while
// Python still imports. The empty entry of sys.path, put there by -c, is the working directory, which no program expects
// to import from.
const bootstrap = `import os, sys
show = sys.excepthook
sys.excepthook = lambda kind, *error: os._exit(130) if issubclass(kind, KeyboardInterrupt) else show(kind, *error)
sys.path[:1] = [] if sys.path[0] == "" else sys.path[:1]
with open(3, encoding="utf-8") as pipe: code = compile(pipe.read(), "pulumi-language-python-exec", "exec")
exec(code)`

var errNoDebugger = errors.New("Slipway's stand-in language host cannot attach a debugger: use Pulumi's own host")

// Run runs a program to its end.
func (h *Host) Run(ctx context.Context, req *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error) {
	if h.engineAddress() == "" {
		return nil, errors.New("the engine has not said where it is: Run came before Handshake")
	}
	if req.GetAttachDebugger() {
		return &pulumirpc.RunResponse{Error: errNoDebugger.Error()}, nil
	}
	options, err := parseOptions(req.GetInfo(), false)
	if err != nil {
		return nil, err
	}
	python, err := h.python(options)
	if err != nil {
		return nil, err
	}
	if err := python.ValidateVenv(ctx); err != nil {
		return nil, err
	}
	ctx, done := h.lifetime(ctx)
	defer done()
	if err := python.checkTypes(ctx, options, req.GetInfo().GetProgramDirectory()); err != nil {
		return nil, err
	}
	cmd, err := h.programCommand(ctx, python, req)
	if err != nil {
		return nil, err
	}
	return outcome(runChild(cmd, endProgram)), nil
}

func (h *Host) programCommand(ctx context.Context, python *python, req *pulumirpc.RunRequest) (*exec.Cmd, error) {
	cmd, err := python.command(ctx, append([]string{"-c", bootstrap}, h.programArguments(req)...)...)
	if err != nil {
		return nil, err
	}
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	config, err := json.Marshal(req.GetConfig())
	if err != nil {
		return nil, fmt.Errorf("failed to serialize configuration: %w", err)
	}
	secretKeys, err := json.Marshal(append([]string{}, req.GetConfigSecretKeys()...))
	if err != nil {
		return nil, fmt.Errorf("failed to serialize configuration secret keys: %w", err)
	}
	if req.GetConfig() != nil {
		cmd.Env = append(cmd.Env, "PULUMI_CONFIG="+string(config))
	}
	cmd.Env = append(cmd.Env, "PULUMI_CONFIG_SECRET_KEYS="+string(secretKeys))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd, giveScript(cmd)
}

// giveScript makes execScript readable as the child's file 3. The script fits in a pipe's buffer on no system for
// sure, so it is written beside.
func giveScript(cmd *exec.Cmd) error {
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd.ExtraFiles = []*os.File{read}
	go func() {
		defer write.Close()
		_, _ = io.WriteString(write, execScript)
	}()
	return nil
}

func (h *Host) programArguments(req *pulumirpc.RunRequest) []string {
	var arguments []string
	for _, argument := range []struct{ name, value string }{
		{"monitor", req.GetMonitorAddress()},
		{"engine", h.engineAddress()},
		{"project", req.GetProject()},
		{"root_directory", req.GetInfo().GetRootDirectory()},
		{"stack", req.GetStack()},
		{"organization", req.GetOrganization()},
		{"pwd", req.GetPwd()},
		{"dry_run", strconv.FormatBool(req.GetDryRun())},
		{"parallel", strconv.Itoa(int(req.GetParallel()))},
	} {
		if argument.value != "" {
			arguments = append(arguments, "--"+argument.name, argument.value)
		}
	}
	arguments = append(arguments, req.GetInfo().GetEntryPoint())
	return append(arguments, req.GetArgs()...)
}

// outcome is what the engine is told about the end of a program.
func outcome(err error) *pulumirpc.RunResponse {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return &pulumirpc.RunResponse{}
	case !errors.As(err, &exit):
		return &pulumirpc.RunResponse{
			Error: fmt.Sprintf("problem executing program (could not run language executor): %s", err),
		}
	case exit.ExitCode() == failureWasShown:
		return &pulumirpc.RunResponse{Bail: true}
	case exit.Exited():
		return &pulumirpc.RunResponse{
			Error: fmt.Sprintf("program exited with non-zero exit code: %d", exit.ExitCode()),
		}
	default:
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("program exited unexpectedly: %s", exit)}
	}
}

// checkTypes runs the type checker that the project's options name, and fails with what it found.
func (p *python) checkTypes(ctx context.Context, options toolchain.PythonOptions, program string) error {
	var checker string
	var arguments []string
	switch options.Typechecker {
	case toolchain.TypeCheckerMypy:
		checker = "mypy"
		venv, err := p.VirtualEnvPath(ctx)
		if err != nil {
			return err
		}
		if relative, err := filepath.Rel(program, venv); venv != "" && err == nil {
			arguments = []string{"--exclude", relative}
		}
	case toolchain.TypeCheckerPyright:
		checker = "pyright"
	default:
		return nil
	}
	cmd, err := p.command(ctx, append(append([]string{"-m", checker}, arguments...), program)...)
	if err != nil {
		return err
	}
	cmd.Dir = program
	var found bytes.Buffer
	cmd.Stdout = io.MultiWriter(os.Stdout, &found)
	cmd.Stderr = io.MultiWriter(os.Stderr, &found)
	if err := runChild(cmd, endProgram); err != nil {
		return fmt.Errorf("%s failed: %w\n%s", checker, err, found.String())
	}
	return nil
}
