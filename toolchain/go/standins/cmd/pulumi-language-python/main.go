// Command pulumi-language-python is Slipway's stand-in for Pulumi's language host for Python, for machines that the
// vendor's host cannot be fetched to.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/logging"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	"google.golang.org/grpc"

	"slipway/toolchain/standins/internal/pyhost"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// engineCheck is how often the host looks whether its engine still lives; it ends with it.
const engineCheck = 10 * time.Second

// version is the version of the vendor's host that this stands in for; the build may set it with -X main.version=….
var version = "3.257.0"

func main() {
	showVersion := flag.Bool("version", false, "print what this is and exit")
	flag.String("tracing", "", "accepted for the engine's sake and ignored")
	flag.Parse()
	if *showVersion {
		fmt.Printf("pulumi-language-python %s (Slipway's stand-in for Pulumi's language host for Python)\n", version)
		return
	}
	logging.InitLogging(false, 0, false)
	if err := serve(flag.Arg(0)); err != nil {
		fmt.Fprintf(os.Stderr, "Error: %s\n", err)
		os.Exit(1)
	}
}

// serve answers the engine until it, or a signal, ends the host.
func serve(engine string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if engine != "" {
		if err := rpcutil.Healthcheck(ctx, engine, engineCheck, stop); err != nil {
			return fmt.Errorf("watching the engine at %s: %w", engine, err)
		}
	}
	ended := make(chan bool)
	context.AfterFunc(ctx, func() { close(ended) })
	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel: ended,
		Init: func(server *grpc.Server) error {
			pulumirpc.RegisterLanguageRuntimeServer(server, pyhost.New(ctx, version, engine))
			return nil
		},
	})
	if err != nil {
		return fmt.Errorf("starting the language host: %w", err)
	}
	fmt.Printf("%d\n", handle.Port) // tells the engine where the host listens
	return <-handle.Done
}
