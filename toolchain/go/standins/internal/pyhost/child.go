package pyhost

import (
	"os/exec"
	"syscall"
	"time"

	"slipway/toolchain/standins/internal/child"
)

// How a Python process is told to end: a program by SIGINT, which exec.py knows and answers with silence; a plugin by
// SIGTERM, which ends Python without a word where SIGINT would bring a traceback.
const (
	endProgram = syscall.SIGINT
	endPlugin  = syscall.SIGTERM
)

// prepareChild makes the end of cmd's context end cmd and all that it started: by the signal, and by force when that
// did not do.
func prepareChild(cmd *exec.Cmd, signal syscall.Signal) {
	cmd.SysProcAttr = child.Attributes()
	cmd.WaitDelay = child.Grace
	cmd.Cancel = func() error {
		time.AfterFunc(child.Grace, func() { _ = child.Signal(cmd, syscall.SIGKILL) })
		return child.Signal(cmd, signal)
	}
}

// runChild runs cmd to its end.
func runChild(cmd *exec.Cmd, signal syscall.Signal) error {
	prepareChild(cmd, signal)
	return child.OnOneThread(func() error {
		err := cmd.Start()
		for _, file := range cmd.ExtraFiles {
			_ = file.Close()
		}
		if err != nil {
			return err
		}
		return cmd.Wait()
	})
}
