package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"sync"

	p "github.com/pulumi/pulumi-go-provider"
)

// The variables in which a program finds what the last one wrote.
const (
	previousStdout = "PULUMI_COMMAND_STDOUT"
	previousStderr = "PULUMI_COMMAND_STDERR"
)

// run starts the command, streams what it writes, and puts its outcome into result. A failed program leaves result as
// it was.
func run(ctx context.Context, command string, process Process, result *Result) error {
	dir, err := workingDirectory(process.Dir)
	if err != nil {
		return err
	}
	cmd := newCmd(command, dir, process, result)

	var stdout, stderr bytes.Buffer
	var both lockedBuffer // in the order of writing, for the error message
	stream := newLineStream(p.GetLogger(ctx).InfoStatus)
	cmd.Stdout = tee(&stdout, &both, stream, process.Logging.showsStdout())
	cmd.Stderr = tee(&stderr, &both, stream, process.Logging.showsStderr())
	err = mayEnter(dir)
	if err == nil {
		err = runGroup(ctx, cmd)
	}
	stream.Close()
	if err != nil {
		return fmt.Errorf("%w: running %q:\n%s", err, command, both.String())
	}

	if err := collectFiles(dir, process, result); err != nil {
		return err
	}
	result.Stdout = strings.TrimSuffix(stdout.String(), "\n")
	result.Stderr = strings.TrimSuffix(stderr.String(), "\n")
	return nil
}

func workingDirectory(dir *string) (string, error) {
	if dir != nil {
		return *dir, nil
	}
	return os.Getwd()
}

// mayEnter says of a folder that is not there what os/exec says of it, which looks only where a program starts without
// attributes, and otherwise blames the program.
func mayEnter(dir string) error {
	_, err := os.Stat(dir)
	var failed *fs.PathError
	if errors.As(err, &failed) {
		failed.Op = "chdir"
	}
	return err
}

func newCmd(command, dir string, process Process, previous *Result) *exec.Cmd {
	argv := []string{"/bin/sh", "-c"}
	if process.Interpreter != nil && len(*process.Interpreter) > 0 {
		argv = *process.Interpreter
	}
	argv = append(append([]string{}, argv...), command)
	cmd := exec.Command(argv[0], argv[1:]...) //nolint:gosec // running the user's command is what this is for
	cmd.Dir = dir
	cmd.Env = environment(process, previous)
	if process.Stdin != nil && *process.Stdin != "" {
		cmd.Stdin = strings.NewReader(*process.Stdin)
	}
	return cmd
}

// environment is the plugin's own, then the user's variables, then the previous output: a later entry wins.
func environment(process Process, previous *Result) []string {
	env := os.Environ()
	if process.Environment != nil {
		for name, value := range *process.Environment {
			env = append(env, name+"="+value)
		}
	}
	if process.AddPreviousOutputInEnv == nil || *process.AddPreviousOutputInEnv {
		if previous.Stdout != "" {
			env = append(env, previousStdout+"="+previous.Stdout)
		}
		if previous.Stderr != "" {
			env = append(env, previousStderr+"="+previous.Stderr)
		}
	}
	return env
}

func tee(kept, both io.Writer, stream *lineStream, shown bool) io.Writer {
	if shown {
		return io.MultiWriter(kept, both, stream)
	}
	return io.MultiWriter(kept, both)
}

// lockedBuffer is a buffer for two writers.
type lockedBuffer struct {
	mutex  sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(text []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.buffer.Write(text)
}

func (b *lockedBuffer) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.buffer.String()
}
