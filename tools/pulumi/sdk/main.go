// Writes the Python SDK of a Pulumi package: `sdk FOLDER < schema.json`. tools/runpod_sdk.sh builds and runs it where
// the `pulumi` at hand cannot (the language host that Go modules give has no generator).
package main

import (
	"encoding/json"
	"log"
	"os"
	"path/filepath"

	"github.com/pulumi/pulumi/pkg/v3/codegen/python"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
)

func main() {
	log.SetFlags(0)
	var spec schema.PackageSpec
	if err := json.NewDecoder(os.Stdin).Decode(&spec); err != nil {
		log.Fatalf("error: this is no schema: %v", err)
	}
	pkg, err := schema.ImportSpec(spec, nil, schema.NewPluginLoader(nil), schema.ValidationOptions{})
	if err != nil {
		log.Fatalf("error: %v", err)
	}
	files, err := python.GeneratePackage("video-gen", pkg, nil, nil)
	if err != nil {
		log.Fatalf("error: %v", err)
	}
	for name, text := range files {
		path := filepath.Join(os.Args[1], name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			log.Fatalf("error: %v", err)
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			log.Fatalf("error: %v", err)
		}
	}
}
