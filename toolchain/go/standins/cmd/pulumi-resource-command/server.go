package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"syscall"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	sdkprovider "github.com/pulumi/pulumi/sdk/v3/go/pulumi/provider"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/structpb"
)

// The vendor's plugin is built on an older release of the same framework, and the framework writes its own version into
// the state of a provider resource. The same text there keeps such a resource unchanged when one plugin takes the
// other's place.
const (
	frameworkKey           = "__pulumi-go-provider-version"
	vendorFrameworkVersion = "1.2.0"
)

// server is the framework's own, but for the version that it leaves in the state.
type server struct {
	pulumirpc.ResourceProviderServer
}

// engineCheck is how often the plugin looks whether its engine still lives; it ends with it.
const engineCheck = 10 * time.Second

func newServer(host *sdkprovider.HostClient) (pulumirpc.ResourceProviderServer, error) {
	if engine := flag.Arg(0); engine != "" {
		endSelf := func() { _ = syscall.Kill(os.Getpid(), syscall.SIGINT) }
		if err := rpcutil.Healthcheck(context.Background(), engine, engineCheck, endSelf); err != nil {
			return nil, fmt.Errorf("watching the engine at %s: %w", engine, err)
		}
	}
	inner, err := p.RawServer("command", version, provider())(host)
	return server{inner}, err
}

// CheckConfig checks the inputs of a provider resource.
func (s server) CheckConfig(ctx context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	response, err := s.ResourceProviderServer.CheckConfig(ctx, req)
	if fields := response.GetInputs().GetFields(); fields[frameworkKey] != nil {
		fields[frameworkKey] = structpb.NewStringValue(vendorFrameworkVersion)
	}
	return response, err
}
