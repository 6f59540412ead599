// Command reference writes what is made of the declaration of the configuration, of the
// shadow contract and of the packages' comments: the JSON Schemas in artifacts/schema, and
// tables in documents. It is run by go generate.
package main

import (
	"bytes"
	"fmt"
	"log"
	"maps"
	"os"
	"path/filepath"
)

//go:generate go run . ../../../..

// made are the files, by their paths in the tree, and how each is made of what it is.
func made(root string) (map[string]func(present []byte) ([]byte, error), error) {
	all := tables()
	packages, err := packageTables(root)
	if err != nil {
		return nil, err
	}
	maps.Copy(all, packages)
	fill := func(present []byte) ([]byte, error) { return fillTables(present, all) }
	return map[string]func(present []byte) ([]byte, error){
		"artifacts/schema/configuration.schema.json": func([]byte) ([]byte, error) { return encode(configurationSchema()) },
		"artifacts/schema/shadow.schema.json":        func([]byte) ([]byte, error) { return encode(shadowSchema()) },
		"component/docs/use/CONFIGURATION.md":        fill,
		"component/docs/use/SHADOW.md":               fill,
		"component/docs/design/PACKAGES.md":          fill,
	}, nil
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("reference: ")
	if len(os.Args) != 2 {
		log.Fatal("want the root of the tree")
	}
	files, err := made(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	for name, renew := range files {
		if err := renewFile(filepath.Join(os.Args[1], name), renew); err != nil {
			log.Fatal(err)
		}
	}
}

// renewFile leaves a file alone that is as it should be.
func renewFile(path string, renew func([]byte) ([]byte, error)) error {
	present, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	text, err := renew(present)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if bytes.Equal(text, present) {
		return nil
	}
	return os.WriteFile(path, text, 0o644)
}
