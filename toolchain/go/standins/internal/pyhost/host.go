// Package pyhost is the language host for Python of Slipway's stand-in: it finds the Python of a project, tells the
// engine which plugins the project's packages need, and runs programs, policy packs and component providers.
//
// It chooses the Python with the SDK's own toolchain package, so pip, uv and Poetry, and the options toolchain,
// virtualenv and typechecker, work as with the vendor's host. What it does not do (generating code, attaching a
// debugger) it answers with an error that says so.
package pyhost

import (
	"context"
	"os/exec"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/python/toolchain"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/emptypb"
)

// Host answers the engine's calls.
type Host struct {
	pulumirpc.UnimplementedLanguageRuntimeServer

	version string
	// cancelled ends with the engine's Cancel call or the host itself, and with it every child process.
	cancelled context.Context
	cancel    context.CancelFunc

	mutex   sync.Mutex
	engine  string
	pythons map[toolchain.PythonOptions]*python
}

// New makes a host that ends its children when ctx ends. The engine's address may be empty until Handshake names it.
func New(ctx context.Context, version, engine string) *Host {
	cancelled, cancel := context.WithCancel(ctx)
	return &Host{
		version: version, cancelled: cancelled, cancel: cancel,
		engine: engine, pythons: map[toolchain.PythonOptions]*python{},
	}
}

// Handshake learns the engine's address.
func (h *Host) Handshake(
	_ context.Context, req *pulumirpc.LanguageHandshakeRequest,
) (*pulumirpc.LanguageHandshakeResponse, error) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.engine = req.GetEngineAddress()
	return &pulumirpc.LanguageHandshakeResponse{}, nil
}

// GetPluginInfo tells the version of the vendor's host that this one stands in for.
func (h *Host) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: h.version}, nil
}

// Cancel ends the running programs and plugins.
func (h *Host) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	h.cancel()
	return &emptypb.Empty{}, nil
}

func (h *Host) engineAddress() string {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	return h.engine
}

// lifetime is ctx, ended also by Cancel and by the end of the host.
func (h *Host) lifetime(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(h.cancelled, cancel)
	return ctx, func() { stop(); cancel() }
}

// python is the interpreter of a project. The toolchain brings the virtual environment up to date when it makes a
// command (uv does so by `uv sync`, which takes its time), so its first command is the pattern of all later ones.
type python struct {
	toolchain.Toolchain

	mutex   sync.Mutex
	pattern *exec.Cmd
}

func (h *Host) python(options toolchain.PythonOptions) (*python, error) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if found := h.pythons[options]; found != nil {
		return found, nil
	}
	resolved, err := toolchain.ResolveToolchain(options)
	if err != nil {
		return nil, err
	}
	made := &python{Toolchain: resolved}
	h.pythons[options] = made
	return made, nil
}

// forget makes the next command bring the virtual environments up to date again.
func (h *Host) forget() {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	clear(h.pythons)
}

// command makes a command that runs Python with these arguments.
func (p *python) command(ctx context.Context, args ...string) (*exec.Cmd, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.pattern == nil {
		pattern, err := p.Command(ctx)
		if err != nil {
			return nil, err
		}
		p.pattern = pattern
	}
	cmd := exec.CommandContext(ctx, p.pattern.Path, args...)
	cmd.Env = append([]string(nil), p.pattern.Env...)
	cmd.Dir = p.pattern.Dir
	return cmd, nil
}
