package local

import (
	"context"
	"errors"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"slipway/toolchain/standins/internal/child"
)

// Why a command did not run to its end.
var (
	errCancelled = errors.New("cancelled")
	errTimedOut  = errors.New("timed out")
	// errStopping refuses programs that would start while the plugin ends.
	errStopping = errors.New("the plugin is ending: no further command is started")
)

// groups are the process groups of the programs that run now, so that StopAll reaches them.
var groups = struct {
	sync.Mutex
	stop map[*exec.Cmd]context.CancelFunc
	over bool
}{stop: map[*exec.Cmd]context.CancelFunc{}}

// StopAll ends every program that runs and refuses new ones. The plugin calls it when it is asked to end itself.
func StopAll() {
	groups.Lock()
	defer groups.Unlock()
	groups.over = true
	for _, stop := range groups.stop {
		stop()
	}
}

// runGroup runs cmd as the leader of a process group of its own and waits for it. When ctx ends first, the whole group
// is asked to end (SIGTERM), and killed when it has not ended in time.
func runGroup(ctx context.Context, cmd *exec.Cmd) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if err := register(cmd, stop); err != nil {
		return err
	}
	defer unregister(cmd)
	if ctx.Err() != nil {
		return errCancelled
	}

	started, ended := make(chan error, 1), make(chan error, 1)
	go func() {
		ended <- child.OnOneThread(func() error {
			cmd.SysProcAttr = child.Attributes()
			err := cmd.Start()
			started <- err
			if err != nil {
				return err
			}
			return cmd.Wait()
		})
	}()
	if err := <-started; err != nil {
		return err
	}
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return endGroup(ctx, cmd, ended)
	}
}

func register(cmd *exec.Cmd, stop context.CancelFunc) error {
	groups.Lock()
	defer groups.Unlock()
	if groups.over {
		return errStopping
	}
	groups.stop[cmd] = stop
	return nil
}

func unregister(cmd *exec.Cmd) {
	groups.Lock()
	defer groups.Unlock()
	delete(groups.stop, cmd)
}

// endGroup ends the group and returns why. It does not wait for a process that left the group and holds the pipes.
func endGroup(ctx context.Context, cmd *exec.Cmd, ended <-chan error) error {
	_ = child.Signal(cmd, syscall.SIGTERM)
	select {
	case <-ended:
	case <-time.After(child.Grace):
	}
	// The leader may have ended while others of its group have not.
	_ = child.Signal(cmd, syscall.SIGKILL)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return errTimedOut
	}
	return errCancelled
}
