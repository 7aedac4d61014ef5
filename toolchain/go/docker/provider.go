package main

import (
	"context"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge/tokens"
	shim "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim/sdk-v2"
	"github.com/terraform-providers/terraform-provider-docker/internal/provider"
)

const (
	// defaultHost is the Docker Engine of this machine.
	defaultHost = "unix:///var/run/docker.sock"

	// longestName and nameSeparator make the names of resources that the program gives no name.
	longestName   = 255
	nameSeparator = "-"
)

// providerInfo maps the Terraform provider to Pulumi: the names of types and properties are those of the vendor's
// version 5, which is what makes its SDKs work with this plugin, and this plugin's state readable for the vendor's.
func providerInfo() tfbridge.ProviderInfo {
	info := tfbridge.ProviderInfo{
		P:            shim.NewProvider(provider.New(version)()),
		Name:         "docker",
		Version:      version,
		MetadataInfo: tfbridge.NewProviderMetadata([]byte("{}")),
		Config: map[string]*tfbridge.SchemaInfo{
			"host":          {Default: hostDefault()},
			"registry_auth": {Name: "registryAuth", MaxItemsOne: tfbridge.False()}, // a list, named as if it were one
		},
		// Every other resource gets the token that follows from its name, docker:index/container:Container for example.
		Resources: map[string]*tfbridge.ResourceInfo{
			"docker_config": {Tok: "docker:index/serviceConfig:ServiceConfig"},
			"docker_image": {
				Tok:    "docker:index/remoteImage:RemoteImage",
				Fields: map[string]*tfbridge.SchemaInfo{"name": {Name: "name"}},
			},
			"docker_container": {
				Tok: "docker:index/container:Container",
				// The new container needs the name and the ports of the old one.
				DeleteBeforeReplace: true,
				Fields: map[string]*tfbridge.SchemaInfo{
					"command":           {Name: "command"}, // one command, in words
					"networks_advanced": {Name: "networksAdvanced"},
				},
			},
		},
		DataSources: map[string]*tfbridge.DataSourceInfo{
			"docker_image": {Tok: "docker:index/getRemoteImage:getRemoteImage"},
		},
	}
	info.MustComputeTokens(tokens.SingleModule("docker_", "index", tokens.MakeStandard("docker")))
	info.SetAutonaming(longestName, nameSeparator)
	return info
}

// hostDefault is DOCKER_HOST, else this machine's engine.
func hostDefault() *tfbridge.DefaultInfo {
	return &tfbridge.DefaultInfo{
		EnvVars: []string{"DOCKER_HOST"},
		ComputeDefault: func(context.Context, tfbridge.ComputeDefaultOptions) (any, error) {
			return defaultHost, nil
		},
	}
}
