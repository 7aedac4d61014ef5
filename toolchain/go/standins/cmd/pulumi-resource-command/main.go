// Command pulumi-resource-command is Slipway's stand-in for Pulumi's command plugin: what Slipway uses of it
// (command:local), with the same schema and behaviour, for machines that the vendor's plugin cannot be fetched to.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi-go-provider/middleware/schema"
	sdkprovider "github.com/pulumi/pulumi/sdk/v3/go/pulumi/provider"

	"slipway/toolchain/standins/internal/local"
)

// version is the version of the vendor's plugin that this stands in for; the build may set it with -X main.version=….
var version = "1.2.1"

func main() {
	if slices.ContainsFunc(os.Args[1:], func(arg string) bool { return arg == "-version" || arg == "--version" }) {
		fmt.Printf("pulumi-resource-command %s (Slipway's stand-in for Pulumi's command plugin: command:local only)\n",
			version)
		return
	}
	stopProgramsOnSignal()
	if err := sdkprovider.Main("command", newServer); err != nil {
		fmt.Fprintf(os.Stderr, "Error: %s\n", err)
		os.Exit(1)
	}
}

func provider() p.Provider {
	return infer.Provider(infer.Options{
		Metadata: schema.Metadata{
			DisplayName: "Command",
			Description: "Programs on this machine as resources. Slipway's stand-in for Pulumi's command plugin.",
		},
		Resources: []infer.InferredResource{infer.Resource(&local.Command{})},
		Functions: []infer.InferredFunction{infer.Function(&local.Run{})},
	})
}

// stopProgramsOnSignal ends the running programs with the plugin. They are in process groups of their own, so the
// engine's signal to the plugin's group does not reach them. SIGINT ends the plugin itself in an orderly way (the SDK
// listens for it too); SIGTERM and SIGHUP are turned into it.
func stopProgramsOnSignal() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		for received := range signals {
			local.StopAll()
			if received != os.Interrupt {
				_ = syscall.Kill(os.Getpid(), syscall.SIGINT)
			}
		}
	}()
}
