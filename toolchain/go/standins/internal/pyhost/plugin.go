package pyhost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/pulumi/pulumi/sdk/v3"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	"github.com/pulumi/pulumi/sdk/v3/python/toolchain"
	"google.golang.org/grpc"

	"slipway/toolchain/standins/internal/child"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// RunPlugin runs a policy pack, or a plugin that is written in Python, and streams what it writes.
func (h *Host) RunPlugin(
	req *pulumirpc.RunPluginRequest, server grpc.ServerStreamingServer[pulumirpc.RunPluginResponse],
) error {
	if req.GetAttachDebugger() {
		return errNoDebugger
	}
	ctx, done := h.lifetime(server.Context())
	defer done()
	isPack := req.GetKind() == string(apitype.AnalyzerPlugin)
	options, err := parseOptions(req.GetInfo(), !isPack)
	if err != nil {
		return err
	}
	python, err := h.python(options)
	if err != nil {
		return err
	}
	closer, stdout, stderr, err := rpcutil.MakeRunPluginStreams(server, false)
	if err != nil {
		return err
	}
	defer closer.Close()
	if isPack {
		err = runPack(ctx, python, req, stdout, stderr)
	} else {
		err = runPlugin(ctx, python, options.Root, req, stdout, stderr)
	}
	var exit *exec.ExitError
	switch {
	case err == nil:
		return closer.Close()
	case errors.As(err, &exit):
		return server.Send(&pulumirpc.RunPluginResponse{
			Output: &pulumirpc.RunPluginResponse_Exitcode{Exitcode: int32(exit.ExitCode())}, //nolint:gosec // 8 bits
		})
	default:
		return fmt.Errorf("running the plugin in %s: %w", req.GetInfo().GetProgramDirectory(), err)
	}
}

// runPlugin runs the plugin's `__main__.py`, or, where it has none but is a Python package, the package itself.
func runPlugin(
	ctx context.Context, python *python, root string, req *pulumirpc.RunPluginRequest, stdout, stderr io.Writer,
) error {
	arguments := []string{req.GetInfo().GetProgramDirectory()}
	if _, err := os.Stat(filepath.Join(root, "__main__.py")); errors.Is(err, os.ErrNotExist) {
		buildable, err := toolchain.IsBuildablePackage(root)
		if err != nil {
			return fmt.Errorf("checking if plugin is a buildable package: %w", err)
		}
		if !buildable {
			return errors.New("plugin is not runnable, it provides neither __main__.py nor a buildable pyproject.toml")
		}
		project, err := toolchain.LoadPyproject(root)
		if err != nil {
			return err
		}
		arguments = []string{"-m", "pulumi.run.plugin", project.Project.Name}
	} else if err != nil {
		return fmt.Errorf("looking for __main__.py: %w", err)
	}
	cmd, err := python.command(ctx, append(arguments, req.GetArgs()...)...)
	if err != nil {
		return err
	}
	cmd.Dir = req.GetPwd()
	cmd.Env = append(cmd.Env, req.GetEnv()...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	return runChild(cmd, endPlugin)
}

// runPack runs a policy pack in its own folder. A pack takes the stack's configuration from its environment, while the
// engine sends it in a call: the SDK's proxy takes that call before the pack is started.
func runPack(
	ctx context.Context, python *python, req *pulumirpc.RunPluginRequest, stdout, stderr io.Writer,
) error {
	folder := req.GetInfo().GetProgramDirectory()
	arguments := append([]string{"-u", "-m", "pulumi.policy"}, req.GetArgs()...)
	cmd, err := python.command(ctx, append(arguments, folder)...)
	if err != nil {
		return err
	}
	proxy, stdout, err := sdk.NewPolicyProxy(ctx, stdout)
	if err != nil {
		return fmt.Errorf("could not start policy pack proxy: %w", err)
	}
	stack, err := proxy.AwaitConfiguration(ctx)
	if err != nil {
		return fmt.Errorf("could not get stack configuration: %w", err)
	}
	variables, err := stackEnvironment(stack)
	if err != nil {
		return err
	}
	cmd.Dir = folder
	cmd.Env = append(append(cmd.Env, variables...), req.GetEnv()...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	prepareChild(cmd, endPlugin)
	return child.OnOneThread(func() error {
		if err := cmd.Start(); err != nil {
			return err
		}
		return proxy.Attach(ctx, cmd)
	})
}

// stackEnvironment is what a policy pack reads about the stack; nothing where the engine named none.
func stackEnvironment(stack *pulumirpc.AnalyzerStackConfigureRequest) ([]string, error) {
	if stack == nil {
		return nil, nil
	}
	var variables []string
	for _, variable := range []struct{ name, value string }{
		{"PULUMI_ORGANIZATION", stack.GetOrganization()},
		{"PULUMI_PROJECT", stack.GetProject()},
		{"PULUMI_STACK", stack.GetStack()},
		{"PULUMI_DRY_RUN", strconv.FormatBool(stack.GetDryRun())},
	} {
		if variable.value != "" {
			variables = append(variables, variable.name+"="+variable.value)
		}
	}
	if stack.GetConfig() != nil {
		config, err := json.Marshal(stack.GetConfig())
		if err != nil {
			return nil, fmt.Errorf("could not marshal stack configuration: %w", err)
		}
		variables = append(variables, "PULUMI_CONFIG="+string(config))
	}
	return variables, nil
}
