// Command pulumi-resource-kubernetes is Pulumi's kubernetes plugin, unchanged.
//
// Its own main package cannot be built from its module: that lacks the two files below, which Pulumi makes before a release.
// The lab makes them from files that the module has (lab/toolchain.py).
package main

import (
	_ "embed"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version"
)

//go:embed schema-embed.json
var schema []byte

//go:embed terraform-mapping-embed.json
var terraformMapping []byte

func main() { provider.Serve("kubernetes", version.Version, schema, terraformMapping) }
