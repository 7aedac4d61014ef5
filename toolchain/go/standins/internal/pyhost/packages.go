package pyhost

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// pluginFile is what a Pulumi package says about its plugin, in the package's own folder.
const pluginFile = "pulumi-plugin.json"

// longestHeader is the longest line of a package's metadata that is read, in bytes.
const longestHeader = 1 << 20

// withoutPlugin are Pulumi packages that have neither a plugin nor, in older releases, a file that says so.
var withoutPlugin = map[string]bool{"pulumi-policy": true, "pulumi-esc-sdk": true}

// distribution is an installed Python package.
type distribution struct {
	name    string // as its metadata has it
	version string
	folders []string // where its import package may lie
}

// normalized is the name as package indexes compare it.
func (d distribution) normalized() string {
	return strings.ToLower(strings.NewReplacer("_", "-", ".", "-").Replace(d.name))
}

// GetRequiredPackages names the plugins that the installed packages of a program need.
func (h *Host) GetRequiredPackages(
	ctx context.Context, req *pulumirpc.GetRequiredPackagesRequest,
) (*pulumirpc.GetRequiredPackagesResponse, error) {
	options, err := parseOptions(req.GetInfo(), false)
	if err != nil {
		return nil, err
	}
	python, err := h.python(options)
	if err != nil {
		return nil, err
	}
	log, err := h.newEngineLog(ctx)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	err = python.EnsureVenv(ctx, req.GetInfo().GetProgramDirectory(), false, true, log.info, log.error)
	if err != nil {
		return nil, err
	}
	folders, err := python.sitePackages(ctx)
	if err != nil {
		return nil, err
	}
	distributions, err := installed(folders)
	if err != nil {
		return nil, err
	}
	response := &pulumirpc.GetRequiredPackagesResponse{}
	for _, distribution := range distributions {
		dependency, err := pluginOf(distribution)
		if err != nil {
			return nil, err
		}
		if dependency != nil {
			response.Packages = append(response.Packages, dependency)
		}
	}
	return response, nil
}

// GetProgramDependencies lists a program's Python packages, as the toolchain knows them.
func (h *Host) GetProgramDependencies(
	ctx context.Context, req *pulumirpc.GetProgramDependenciesRequest,
) (*pulumirpc.GetProgramDependenciesResponse, error) {
	options, err := parseOptions(req.GetInfo(), false)
	if err != nil {
		return nil, err
	}
	python, err := h.python(options)
	if err != nil {
		return nil, err
	}
	packages, err := python.ListPackages(ctx, req.GetTransitiveDependencies())
	if err != nil {
		return nil, fmt.Errorf("failed to get python dependencies: %w", err)
	}
	response := &pulumirpc.GetProgramDependenciesResponse{}
	for _, found := range packages {
		response.Dependencies = append(response.Dependencies,
			&pulumirpc.DependencyInfo{Name: found.Name, Version: found.Version})
	}
	return response, nil
}

// sitePackages are the folders that the interpreter imports installed packages from. Those of a virtual environment
// follow from its layout; only an ambient interpreter, or an environment that sees its packages, has to be asked.
func (p *python) sitePackages(ctx context.Context) ([]string, error) {
	cmd, err := p.command(ctx, "-c", "import json, sys; print(json.dumps(sys.path))")
	if err != nil {
		return nil, err
	}
	venv, err := p.VirtualEnvPath(ctx)
	if err != nil {
		return nil, err
	}
	if venv != "" && !seesSystemPackages(venv) {
		folders, err := filepath.Glob(filepath.Join(venv, "lib", "python3*", "site-packages"))
		if err != nil || len(folders) == 1 {
			return folders, err
		}
	}
	output, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("asking %s where its packages are: %w", cmd.Path, err)
	}
	var folders []string
	err = json.Unmarshal(output, &folders)
	return folders, err
}

func seesSystemPackages(venv string) bool {
	settings, err := os.ReadFile(filepath.Join(venv, "pyvenv.cfg"))
	if err != nil {
		return true
	}
	for line := range strings.Lines(string(settings)) {
		key, value, _ := strings.Cut(line, "=")
		if strings.TrimSpace(key) == "include-system-site-packages" {
			return strings.EqualFold(strings.TrimSpace(value), "true")
		}
	}
	return false
}

// installed reads the metadata of the packages in these folders; the first of a name counts, as for an import.
func installed(folders []string) ([]distribution, error) {
	var found []distribution
	seen := map[string]bool{}
	for _, folder := range folders {
		paths, err := filepath.Glob(filepath.Join(folder, "*.dist-info"))
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			distribution, err := readDistribution(folder, path)
			if err != nil {
				return nil, err
			}
			if distribution.name == "" || seen[distribution.normalized()] {
				continue
			}
			seen[distribution.normalized()] = true
			found = append(found, distribution)
		}
	}
	return found, nil
}

// readDistribution reads name and version from the header of METADATA, and where an editable install points to. A
// package without METADATA is broken and counts as absent.
func readDistribution(folder, info string) (distribution, error) {
	found := distribution{folders: []string{folder}}
	metadata, err := os.Open(filepath.Join(info, "METADATA"))
	if errors.Is(err, os.ErrNotExist) {
		return found, nil
	} else if err != nil {
		return found, err
	}
	defer metadata.Close()
	lines := bufio.NewScanner(metadata)
	lines.Buffer(nil, longestHeader)
	for lines.Scan() && lines.Text() != "" {
		key, value, _ := strings.Cut(lines.Text(), ":")
		switch key {
		case "Name":
			found.name = strings.TrimSpace(value)
		case "Version":
			found.version = strings.TrimSpace(value)
		}
	}
	if source := editableSource(info); source != "" {
		found.folders = append(found.folders, source, filepath.Join(source, "src"))
	}
	return found, lines.Err()
}

// editableSource is the folder of an editable install's project; empty for any other install.
func editableSource(info string) string {
	text, err := os.ReadFile(filepath.Join(info, "direct_url.json"))
	if err != nil {
		return ""
	}
	var origin struct {
		URL  string `json:"url"`
		Info struct {
			Editable bool `json:"editable"`
		} `json:"dir_info"`
	}
	if json.Unmarshal(text, &origin) != nil || !origin.Info.Editable {
		return ""
	}
	return strings.TrimPrefix(origin.URL, "file://")
}

// pluginOf tells which plugin a package needs; nil for none. What the package's file leaves open follows from the
// package's own name and version, so a Pulumi package without the file has a plugin too.
func pluginOf(d distribution) (*pulumirpc.PackageDependency, error) {
	if withoutPlugin[d.normalized()] {
		return nil, nil
	}
	described, err := d.readPluginFile()
	if err != nil {
		return nil, err
	}
	if described == nil {
		if !strings.HasPrefix(d.normalized(), "pulumi-") {
			return nil, nil
		}
		described = &plugin.PulumiPluginJSON{Resource: true}
	}
	if !described.Resource {
		return nil, nil
	}
	dependency := &pulumirpc.PackageDependency{
		Kind: "resource", Name: described.Name, Version: described.Version, Server: described.Server,
		Parameterization: parameterization(described.Parameterization),
		Extension:        parameterization(described.ExtensionParameterization),
	}
	if dependency.Name == "" {
		dependency.Name = strings.TrimPrefix(d.normalized(), "pulumi-")
	}
	if dependency.Version == "" {
		version, err := pluginVersion(d.version)
		if err != nil {
			return nil, nil //nolint:nilerr // such a package names no plugin that could be fetched
		}
		dependency.Version = version
	}
	if !strings.HasPrefix(dependency.Version, "v") {
		dependency.Version = "v" + dependency.Version
	}
	return dependency, nil
}

func (d distribution) readPluginFile() (*plugin.PulumiPluginJSON, error) {
	module := strings.ReplaceAll(d.name, "-", "_")
	for _, folder := range d.folders {
		described, err := plugin.LoadPulumiPluginJSON(filepath.Join(folder, module, pluginFile))
		if err == nil {
			return described, nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("failed to parse %s for %s: %w", pluginFile, d.name, err)
		}
	}
	return nil, nil
}

func parameterization(given *plugin.PulumiParameterizationJSON) *pulumirpc.PackageParameterization {
	if given == nil {
		return nil
	}
	return &pulumirpc.PackageParameterization{Name: given.Name, Version: given.Version, Value: given.Value}
}
