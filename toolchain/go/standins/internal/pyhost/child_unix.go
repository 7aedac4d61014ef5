//go:build unix && !linux

package pyhost

import "syscall"

// childAttributes ask for a process group of its own.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
