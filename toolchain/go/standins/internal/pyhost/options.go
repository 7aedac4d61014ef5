package pyhost

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/python/toolchain"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// defaultPluginVenv is the virtual environment of a plugin that names none: a plugin never uses the ambient Python.
const defaultPluginVenv = "venv"

// parseOptions reads the runtime's options of Pulumi.yaml, PulumiPlugin.yaml or PulumiPolicy.yaml.
func parseOptions(info *pulumirpc.ProgramInfo, plugin bool) (toolchain.PythonOptions, error) {
	parsed := toolchain.PythonOptions{Root: info.GetRootDirectory(), ProgramDir: info.GetProgramDirectory()}
	options := info.GetOptions().AsMap()
	var err error
	if parsed.Virtualenv, err = stringOption(options, "virtualenv"); err != nil {
		return parsed, err
	}
	switch name, err := stringOption(options, "toolchain"); {
	case err != nil:
		return parsed, err
	case name == "" && options["toolchain"] == nil:
		parsed.Toolchain = toolchain.Auto
	case name == "pip":
		parsed.Toolchain = toolchain.Pip
	case name == "poetry":
		parsed.Toolchain = toolchain.Poetry
	case name == "uv":
		parsed.Toolchain = toolchain.Uv
	default:
		return parsed, fmt.Errorf("unsupported toolchain option: %s", name)
	}
	switch name, err := stringOption(options, "typechecker"); {
	case err != nil:
		return parsed, err
	case name == "" && options["typechecker"] == nil:
		parsed.Typechecker = toolchain.TypeCheckerNone
	case name == "mypy":
		parsed.Typechecker = toolchain.TypeCheckerMypy
	case name == "pyright":
		parsed.Typechecker = toolchain.TypeCheckerPyright
	default:
		return parsed, fmt.Errorf("unsupported typechecker option: %s", name)
	}
	if plugin && parsed.Virtualenv == "" &&
		(parsed.Toolchain == toolchain.Pip || parsed.Toolchain == toolchain.Auto) {
		parsed.Virtualenv = defaultPluginVenv
	}
	return parsed, nil
}

func stringOption(options map[string]any, key string) (string, error) {
	value, found := options[key]
	if !found {
		return "", nil
	}
	text, ok := value.(string)
	if !ok {
		return "", fmt.Errorf("%s option must be a string", key)
	}
	return text, nil
}
