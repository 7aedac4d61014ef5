// Command pulumi-resource-docker is Slipway's build of Pulumi's docker plugin, for machines that the vendor's plugin
// cannot be fetched to: Pulumi's own Terraform bridge over the very provider that the vendor bridges.
//
// It serves what Slipway uses, containers, networks and remote images, and the rest of the bridged provider with them.
// It has no docker:index/image:Image, which the vendor adds by hand (Slipway builds with the docker-build plugin), and
// no schema: programs use the SDKs that are published already.
package main

import (
	"fmt"
	"os"
	"slices"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
)

// version is the version of the vendor's plugin that this stands in for; the build may set it with -X main.version=….
var version = "5.2.0"

// noSchema is a valid schema that describes nothing.
const noSchema = `{"name":"docker"}`

func main() {
	if slices.ContainsFunc(os.Args[1:], func(arg string) bool { return arg == "-version" || arg == "--version" }) {
		fmt.Printf("pulumi-resource-docker %s (Slipway's build of the bridged docker provider)\n", version)
		return
	}
	tfbridge.Main("docker", version, providerInfo(), []byte(noSchema))
}
