package pyhost

import (
	"context"
	"fmt"
	"io"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	"github.com/pulumi/pulumi/sdk/v3/python/toolchain"
	"google.golang.org/grpc"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// InstallDependencies installs what a program or plugin needs, with the project's own toolchain.
func (h *Host) InstallDependencies(
	req *pulumirpc.InstallDependenciesRequest, server grpc.ServerStreamingServer[pulumirpc.InstallDependenciesResponse],
) error {
	options, err := parseOptions(req.GetInfo(), req.GetIsPlugin())
	if err != nil {
		return err
	}
	closer, stdout, stderr, err := rpcutil.MakeInstallDependenciesStreams(server, req.GetIsTerminal())
	if err != nil {
		return err
	}
	defer closer.Close()
	resolved, err := toolchain.ResolveToolchain(options)
	if err != nil {
		return err
	}
	ctx, done := h.lifetime(server.Context())
	defer done()
	defer h.forget()
	_, _ = io.WriteString(stdout, "Installing dependencies...\n\n")
	if err := installPlugin(ctx, resolved, req, stdout, stderr); err != nil {
		return err
	}
	err = resolved.InstallDependencies(ctx, req.GetInfo().GetProgramDirectory(), req.GetUseLanguageVersionTools(), true,
		stdout, stderr)
	if err != nil {
		return err
	}
	_, _ = io.WriteString(stdout, "Finished installing dependencies\n\n")
	return closer.Close()
}

// installPlugin installs a plugin that is a Python package of its own; for anything else it does nothing.
func installPlugin(
	ctx context.Context, resolved toolchain.Toolchain, req *pulumirpc.InstallDependenciesRequest,
	stdout, stderr io.Writer,
) error {
	folder := req.GetInfo().GetProgramDirectory()
	if !req.GetIsPlugin() {
		return nil
	}
	buildable, err := toolchain.IsBuildablePackage(folder)
	if err != nil {
		return fmt.Errorf("checking if plugin is a buildable package: %w", err)
	}
	if !buildable {
		return nil
	}
	if err := resolved.EnsureVenv(ctx, folder, req.GetUseLanguageVersionTools(), true, stdout, stderr); err != nil {
		return fmt.Errorf("creating virtual environment: %w", err)
	}
	cmd, err := resolved.ModuleCommand(ctx, "pip", "install", folder)
	if err != nil {
		return fmt.Errorf("preparing pip install command: %w", err)
	}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if err := runChild(cmd, endPlugin); err != nil {
		return fmt.Errorf("installing package: %w", err)
	}
	return nil
}

// About names the Python that a project uses.
func (h *Host) About(ctx context.Context, req *pulumirpc.AboutRequest) (*pulumirpc.AboutResponse, error) {
	options := toolchain.PythonOptions{Toolchain: toolchain.Pip}
	if req.GetInfo() != nil {
		parsed, err := parseOptions(req.GetInfo(), false)
		if err != nil {
			return nil, err
		}
		options = parsed
	}
	python, err := h.python(options)
	if err != nil {
		return nil, err
	}
	info, err := python.About(ctx)
	if err != nil {
		return nil, err
	}
	return &pulumirpc.AboutResponse{
		Executable: info.PythonExecutable,
		Version:    info.PythonVersion.String(),
		Metadata: map[string]string{
			"toolchain":        toolchain.Name(options.Toolchain),
			"toolchainVersion": info.ToolchainVersion.String(),
			"typechecker":      toolchain.TypeCheckerName(options.Typechecker),
		},
	}, nil
}

// RuntimeOptionsPrompts asks for the toolchain of a new project, then for the folder of pip's virtual environment.
func (h *Host) RuntimeOptionsPrompts(
	_ context.Context, req *pulumirpc.RuntimeOptionsRequest,
) (*pulumirpc.RuntimeOptionsResponse, error) {
	options := req.GetInfo().GetOptions().AsMap()
	response := &pulumirpc.RuntimeOptionsResponse{}
	chosen, hasToolchain := options["toolchain"]
	if _, hasVenv := options["virtualenv"]; chosen == "pip" && !hasVenv {
		response.Prompts = append(response.Prompts, prompt("virtualenv", "The virtualenv to use", choice("venv")))
	}
	if !hasToolchain {
		choices := append([]*pulumirpc.RuntimeOptionPrompt_RuntimeOptionValue{choice("pip")},
			plugin.MakeExecutablePromptChoices("poetry", "uv")...)
		response.Prompts = append(response.Prompts,
			prompt("toolchain", "The toolchain to use for installing dependencies and running the program", choices...))
	}
	return response, nil
}

// prompt asks for one option; its first choice is the default.
func prompt(
	key, description string, choices ...*pulumirpc.RuntimeOptionPrompt_RuntimeOptionValue,
) *pulumirpc.RuntimeOptionPrompt {
	return &pulumirpc.RuntimeOptionPrompt{
		Key: key, Description: description, PromptType: pulumirpc.RuntimeOptionPrompt_STRING,
		Choices: choices, Default: choices[0],
	}
}

func choice(value string) *pulumirpc.RuntimeOptionPrompt_RuntimeOptionValue {
	return &pulumirpc.RuntimeOptionPrompt_RuntimeOptionValue{
		PromptType: pulumirpc.RuntimeOptionPrompt_STRING, StringValue: value, DisplayName: value,
	}
}
