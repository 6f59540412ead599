// Command sbom prints a software bill of materials (CycloneDX 1.6, JSON) of a Go
// program: the modules that are linked into it, as the program itself says. The same
// program gives the same text.
//
//	go run ./scripts/sbom PROGRAM VERSION
package main

import (
	"debug/buildinfo"
	"fmt"
	"io"
	"os"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: sbom PROGRAM VERSION")
		os.Exit(2)
	}
	if err := write(os.Stdout, os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func write(w io.Writer, program, version string) error {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return err
	}
	return cdx.NewBOMEncoder(w, cdx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bill(info, version), cdx.SpecVersion1_6)
}

// bill lists the modules and the standard library. The module of the program depends
// on each, since a program does not say which of them needs which.
func bill(info *buildinfo.BuildInfo, version string) *cdx.BOM {
	main := module(info.Main.Path, version)
	main.Type = cdx.ComponentTypeApplication
	components := []cdx.Component{module("std", strings.TrimPrefix(info.GoVersion, "go"))}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		components = append(components, module(m.Path, m.Version))
	}
	var refs []string
	dependencies := []cdx.Dependency{{Ref: main.BOMRef, Dependencies: &refs}}
	for _, c := range components {
		refs = append(refs, c.BOMRef)
		dependencies = append(dependencies, cdx.Dependency{Ref: c.BOMRef})
	}
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{Component: &main, Properties: &[]cdx.Property{
		{Name: "go:os", Value: setting(info, "GOOS")},
		{Name: "go:architecture", Value: setting(info, "GOARCH")},
	}}
	bom.Components = &components
	bom.Dependencies = &dependencies
	return bom
}

// module is a Go module, named as package-url/purl-spec types/golang-definition.json
// has it.
func module(path, version string) cdx.Component {
	purl := "pkg:golang/" + path + "@" + version
	return cdx.Component{
		BOMRef:     purl,
		Type:       cdx.ComponentTypeLibrary,
		Name:       path,
		Version:    version,
		PackageURL: purl,
	}
}

func setting(info *buildinfo.BuildInfo, key string) string {
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}
