package local

import (
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi-go-provider/infer/types"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// Logging says which of a program's streams are shown while it runs. It does not touch what is kept as outputs.
type Logging string

// The values of Logging; a missing value means LogBoth.
const (
	LogStdout Logging = "stdout"
	LogStderr Logging = "stderr"
	LogBoth   Logging = "stdoutAndStderr"
	LogNone   Logging = "none"
)

// Values lists the enum for the schema.
func (Logging) Values() []infer.EnumValue[Logging] {
	return []infer.EnumValue[Logging]{
		{Name: string(LogStdout), Value: LogStdout, Description: "Show standard output only."},
		{Name: string(LogStderr), Value: LogStderr, Description: "Show standard error only."},
		{Name: string(LogBoth), Value: LogBoth, Description: "Show both streams."},
		{Name: string(LogNone), Value: LogNone, Description: "Show nothing."},
	}
}

func (l *Logging) showsStdout() bool { return l == nil || *l == LogStdout || *l == LogBoth }

func (l *Logging) showsStderr() bool { return l == nil || *l == LogStderr || *l == LogBoth }

// Process describes how a program is started; the resource and the function share it.
type Process struct {
	Stdin                  *string            `pulumi:"stdin,optional"`
	Logging                *Logging           `pulumi:"logging,optional"`
	Interpreter            *[]string          `pulumi:"interpreter,optional"`
	Dir                    *string            `pulumi:"dir,optional"`
	Environment            *map[string]string `pulumi:"environment,optional"`
	AssetPaths             *[]string          `pulumi:"assetPaths,optional"`
	ArchivePaths           *[]string          `pulumi:"archivePaths,optional"`
	AddPreviousOutputInEnv *bool              `pulumi:"addPreviousOutputInEnv,optional"`
}

const globRules = " Each entry is a glob relative to the working directory: `*` stops at a `/`, `**` does not, and an " +
	"entry that starts with `!` takes out again what earlier ones matched. Only files match, never folders."

// Annotate describes the properties in the schema.
func (p *Process) Annotate(a infer.Annotator) {
	a.Describe(&p.Stdin, "Text for the program's standard input. Default: empty.")
	a.Describe(&p.Logging, "The streams that are shown while the program runs. Default: both. Choose `none` where a "+
		"stream may hold a secret, and list the output in `additionalSecretOutputs`.")
	a.Describe(&p.Interpreter, "The program, with its first arguments, that gets the command as its last argument. "+
		"Default: `[\"/bin/sh\", \"-c\"]`.")
	a.Describe(&p.Dir, "The working directory; it must exist. Default: the Pulumi program's directory.")
	a.Describe(&p.Environment, "Variables added to the environment of the program.")
	a.Describe(&p.AssetPaths, "Files to return one by one after the program ended."+globRules)
	a.Describe(&p.ArchivePaths, "Files to return as one archive after the program ended."+globRules)
	a.Describe(&p.AddPreviousOutputInEnv, "Whether the program finds what the last one of this resource wrote in "+
		"PULUMI_COMMAND_STDOUT and PULUMI_COMMAND_STDERR. Default: true.")
}

// Result is what a program left behind.
type Result struct {
	Stdout  string                            `pulumi:"stdout"`
	Stderr  string                            `pulumi:"stderr"`
	Assets  *map[string]*types.AssetOrArchive `pulumi:"assets,optional"`
	Archive *resource.Archive                 `pulumi:"archive,optional"`
}

// Annotate describes the properties in the schema.
func (r *Result) Annotate(a infer.Annotator) {
	a.Describe(&r.Stdout, "What the program wrote to standard output, without the last line break.")
	a.Describe(&r.Stderr, "What the program wrote to standard error, without the last line break.")
	a.Describe(&r.Assets, "The files that `assetPaths` matched, by their path relative to the working directory.")
	a.Describe(&r.Archive, "The files that `archivePaths` matched.")
}

// Commands are the programs of a resource's life cycle.
type Commands struct {
	Triggers *[]any  `pulumi:"triggers,optional" provider:"replaceOnChanges"`
	Create   *string `pulumi:"create,optional"`
	Update   *string `pulumi:"update,optional"`
	Delete   *string `pulumi:"delete,optional"`
}

// Annotate describes the properties in the schema.
func (c *Commands) Annotate(a infer.Annotator) {
	a.Describe(&c.Triggers, "Values of any type; when one changes, the resource is replaced.")
	a.Describe(&c.Create, "The command that creates the resource. Default: none.")
	a.Describe(&c.Update, "The command for a change of any other input. Default: the one in `create`.")
	a.Describe(&c.Delete, "The command that deletes the resource. Default: none.")
}
