//go:build unix && !linux

package child

import "syscall"

// Attributes ask for a process group of its own.
func Attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
