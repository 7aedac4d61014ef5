package pyhost

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/python/toolchain"
	"google.golang.org/protobuf/types/known/structpb"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

func write(t *testing.T, text string, path ...string) {
	t.Helper()
	file := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// plugins are the plugins of the packages installed in a folder, as NAME VERSION.
func plugins(t *testing.T, folder string) []string {
	t.Helper()
	found, err := installed([]string{folder})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, distribution := range found {
		dependency, err := pluginOf(distribution)
		if err != nil {
			t.Fatal(err)
		}
		if dependency != nil {
			names = append(names, dependency.GetName()+" "+dependency.GetVersion())
		}
	}
	slices.Sort(names)
	return names
}

func TestInstalledPackagesTellTheirPlugins(t *testing.T) {
	site := t.TempDir()
	install := func(name, version, file string) {
		write(t, "Metadata-Version: 2.4\nName: "+name+"\nVersion: "+version+"\n\nName: not this\n",
			site, name+"-"+version+".dist-info", "METADATA")
		if file != "" {
			write(t, file, site, name, pluginFile)
		}
	}
	install("pulumi", "3.257.0", "")
	install("grpcio", "1.85.1", "")
	install("pulumi-policy", "1.21.0", "")
	install("pulumi_command", "1.2.1", `{"resource": true, "name": "command", "version": "1.2.0"}`)
	install("pulumi_docker_build", "0.0.22", `{"resource": true}`)
	install("pulumi_nothing", "1.0.0", `{"resource": false}`)
	install("pulumi-old", "2.0b1", "")
	install("greetings", "0.1.0", `{"resource": true, "name": "hello", "version": "v3.0.0"}`)
	wanted := []string{"command v1.2.0", "docker-build v0.0.22", "hello v3.0.0", "old v2.0.0-beta.1"}
	if got := plugins(t, site); !slices.Equal(got, wanted) {
		t.Errorf("got %q, want %q", got, wanted)
	}
}

func TestAnEditablePackageIsReadWhereItsSourceIs(t *testing.T) {
	site, source := t.TempDir(), t.TempDir()
	write(t, "Name: pulumi_own\nVersion: 0.0.1\n\n", site, "pulumi_own-0.0.1.dist-info", "METADATA")
	write(t, `{"url": "file://`+source+`", "dir_info": {"editable": true}}`,
		site, "pulumi_own-0.0.1.dist-info", "direct_url.json")
	write(t, `{"resource": true, "name": "mine", "version": "0.2.0"}`, source, "src", "pulumi_own", pluginFile)
	if got := plugins(t, site); !slices.Equal(got, []string{"mine v0.2.0"}) {
		t.Errorf("got %q", got)
	}
}

func TestAnEnvironmentThatSeesTheSystemsPackagesIsTold(t *testing.T) {
	venv := t.TempDir()
	write(t, "home = /usr/bin\ninclude-system-site-packages = false\n", venv, "pyvenv.cfg")
	if seesSystemPackages(venv) {
		t.Error("a closed environment counts as open")
	}
	write(t, "include-system-site-packages = True\n", venv, "pyvenv.cfg")
	if !seesSystemPackages(venv) {
		t.Error("an open environment counts as closed")
	}
}

func TestOptionsAreThoseOfTheProjectFile(t *testing.T) {
	parse := func(plugin bool, options map[string]any) (toolchain.PythonOptions, error) {
		given, err := structpb.NewStruct(options)
		if err != nil {
			t.Fatal(err)
		}
		return parseOptions(&pulumirpc.ProgramInfo{RootDirectory: "/r", ProgramDirectory: "/r/p", Options: given}, plugin)
	}
	got, err := parse(false, map[string]any{"toolchain": "uv", "virtualenv": ".venv", "typechecker": "mypy"})
	wanted := toolchain.PythonOptions{
		Root: "/r", ProgramDir: "/r/p", Virtualenv: ".venv",
		Toolchain: toolchain.Uv, Typechecker: toolchain.TypeCheckerMypy,
	}
	if err != nil || got != wanted {
		t.Errorf("got %+v (%v), want %+v", got, err, wanted)
	}
	if got, _ := parse(true, nil); got.Virtualenv != "venv" || got.Toolchain != toolchain.Auto {
		t.Errorf("a plugin without options gets %+v", got)
	}
	if got, _ := parse(false, nil); got.Virtualenv != "" {
		t.Errorf("a program without options gets %+v", got)
	}
	for _, wrong := range []map[string]any{
		{"toolchain": "conda"}, {"toolchain": ""}, {"toolchain": 1}, {"virtualenv": true}, {"typechecker": "ty"},
	} {
		if got, err := parse(false, wrong); err == nil {
			t.Errorf("%v became %+v", wrong, got)
		}
	}
}
