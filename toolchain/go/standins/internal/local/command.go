package local

import (
	"context"

	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// randomIDBytes is how many random bytes follow a resource's name in its ID, as in the vendor's IDs.
const randomIDBytes = 8

// Command is the controller of the resource command:local:Command.
type Command struct{}

var (
	_ infer.CustomResource[CommandInputs, CommandState] = (*Command)(nil)
	_ infer.CustomUpdate[CommandInputs, CommandState]   = (*Command)(nil)
	_ infer.CustomDelete[CommandState]                  = (*Command)(nil)
)

// Annotate describes the resource in the schema.
func (c *Command) Annotate(a infer.Annotator) {
	a.Describe(&c, "Programs on the machine that runs Pulumi, as the life cycle of a resource. One that ends with "+
		"another exit code than 0 fails the operation.")
}

// CommandInputs are the inputs of a Command.
type CommandInputs struct {
	Commands
	Process
}

// CommandState is what the state keeps of a Command: its inputs and the result of the last program.
type CommandState struct {
	CommandInputs
	Result
}

// Create runs the command for a new resource; a preview runs nothing.
func (*Command) Create(
	ctx context.Context, req infer.CreateRequest[CommandInputs],
) (infer.CreateResponse[CommandState], error) {
	response := infer.CreateResponse[CommandState]{Output: CommandState{CommandInputs: req.Inputs}}
	id, err := resource.NewUniqueHex(req.Name, randomIDBytes, 0)
	if err != nil {
		return response, err
	}
	response.ID = id
	if !req.DryRun {
		err = runIfSet(ctx, req.Inputs.Create, req.Inputs.Process, &response.Output.Result)
	}
	return response, err
}

// Update runs the command for changed inputs; a preview runs nothing and keeps the last result.
func (*Command) Update(
	ctx context.Context, req infer.UpdateRequest[CommandInputs, CommandState],
) (infer.UpdateResponse[CommandState], error) {
	response := infer.UpdateResponse[CommandState]{
		Output: CommandState{CommandInputs: req.Inputs, Result: req.State.Result},
	}
	if req.DryRun {
		return response, nil
	}
	command := req.Inputs.Update
	if command == nil {
		command = req.Inputs.Create
	}
	err := runIfSet(ctx, command, req.Inputs.Process, &response.Output.Result)
	return response, err
}

// Delete runs the command for a resource that goes away.
func (*Command) Delete(ctx context.Context, req infer.DeleteRequest[CommandState]) (infer.DeleteResponse, error) {
	result := req.State.Result
	return infer.DeleteResponse{}, runIfSet(ctx, req.State.Delete, req.State.Process, &result)
}

func runIfSet(ctx context.Context, command *string, process Process, result *Result) error {
	if command == nil {
		return nil
	}
	return run(ctx, *command, process, result)
}

// Run is the controller of the function command:local:run. The engine calls a function in previews too.
type Run struct{}

// Annotate describes the function in the schema.
func (r *Run) Annotate(a infer.Annotator) {
	a.Describe(&r, "Runs a program at every preview and update.")
}

// RunInputs are the arguments of the function.
type RunInputs struct {
	Process
	Command string `pulumi:"command"`
}

// Annotate describes the arguments in the schema.
func (r *RunInputs) Annotate(a infer.Annotator) {
	a.Describe(&r.Command, "The command.")
}

// RunResult repeats the arguments and adds the program's result.
type RunResult struct {
	RunInputs
	Result
}

// Invoke runs the command of the function.
func (*Run) Invoke(
	ctx context.Context, req infer.FunctionRequest[RunInputs],
) (infer.FunctionResponse[RunResult], error) {
	output := RunResult{RunInputs: req.Input}
	err := run(ctx, req.Input.Command, req.Input.Process, &output.Result)
	return infer.FunctionResponse[RunResult]{Output: output}, err
}
