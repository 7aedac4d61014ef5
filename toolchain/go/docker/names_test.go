package main

import (
	"encoding/json"
	"os"
	"reflect"
	"testing"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	shim "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim"
)

// properties are the names of an object's properties, with [] behind a list and {} behind a map; a property that holds
// objects has theirs below it.
type properties map[string]properties

// namesOf walks a Terraform schema and names it as the bridge does.
func namesOf(schema shim.SchemaMap, infos map[string]*tfbridge.SchemaInfo) properties {
	names := properties{}
	schema.Range(func(key string, property shim.Schema) bool {
		name := tfbridge.TerraformToPulumiNameV2(key, schema, infos)
		names[name+shape(property, infos[key])] = elementNames(property, infos[key])
		return true
	})
	return names
}

func shape(property shim.Schema, info *tfbridge.SchemaInfo) string {
	switch {
	case property.Type() == shim.TypeMap:
		return "{}"
	case property.Type() != shim.TypeList && property.Type() != shim.TypeSet, tfbridge.IsMaxItemsOne(property, info):
		return ""
	default:
		return "[]"
	}
}

func elementNames(property shim.Schema, info *tfbridge.SchemaInfo) properties {
	element, isObject := property.Elem().(shim.Resource)
	if !isObject {
		return nil
	}
	var infos map[string]*tfbridge.SchemaInfo
	if info != nil && info.Elem != nil {
		infos = info.Elem.Fields
	}
	return namesOf(element.Schema(), infos)
}

// TestPropertiesAreNamedAsInTheVendorsSDK compares with testdata/properties.json, which tests/toolchain keeps equal to
// the published SDK of version 5.2.0.
func TestPropertiesAreNamedAsInTheVendorsSDK(t *testing.T) {
	text, err := os.ReadFile("testdata/properties.json")
	if err != nil {
		t.Fatal(err)
	}
	var published map[string]properties
	if err := json.Unmarshal(text, &published); err != nil {
		t.Fatal(err)
	}
	info := providerInfo()
	served := map[string]properties{"pulumi:providers:docker": namesOf(info.P.Schema(), info.Config)}
	for name, resource := range info.Resources {
		names := namesOf(info.P.ResourcesMap().Get(name).Schema(), resource.Fields)
		delete(names, "id") // every resource has one, in Pulumi beside its properties
		served[string(resource.Tok)] = names
	}
	for token, names := range published {
		if !reflect.DeepEqual(served[token], names) {
			wanted, _ := json.Marshal(names)
			got, _ := json.Marshal(served[token])
			t.Errorf("%s\n has   %s\n wants %s", token, got, wanted)
		}
	}
}

func TestAContainerIsDeletedBeforeItsReplacement(t *testing.T) {
	if !providerInfo().Resources["docker_container"].DeleteBeforeReplace {
		t.Error("a new container would find name and ports taken")
	}
}
