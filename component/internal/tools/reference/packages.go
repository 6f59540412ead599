package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
)

// folders are those that have a table of their packages, by the name of the table.
var folders = map[string][]string{
	"packages of edge":    {"component/internal/edge"},
	"packages of gateway": {"component/internal/gateway"},
	"packages of app":     {"component/internal/app"},
	"packages of dev":     {"component/internal/dev"},
	"packages of tools":   {"component/internal/tools"},
	"public packages":     {"gpio", "ipc"},
	"shared packages":     {"internal"},
}

// packageTables lists the packages below each of the folders, with the first sentences of
// their comments.
func packageTables(root string) (map[string]string, error) {
	all := map[string]string{}
	for name, trees := range folders {
		rows := [][]string{{"package", "what it is"}}
		for _, tree := range trees {
			some, err := packageRows(root, tree)
			if err != nil {
				return nil, err
			}
			rows = append(rows, some...)
		}
		all[name] = table(rows)
	}
	return all, nil
}

func packageRows(root, tree string) (rows [][]string, err error) {
	err = filepath.WalkDir(filepath.Join(root, tree), func(dir string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case !d.IsDir():
			return nil
		case d.Name() == "testdata":
			return filepath.SkipDir
		}
		name, text, err := readPackage(dir)
		if err != nil || name == "" {
			return err
		}
		if text == "" {
			return fmt.Errorf("%s: package %s has no comment", dir, name)
		}
		place, err := filepath.Rel(root, dir)
		if err != nil {
			return err
		}
		rows = append(rows, []string{code(strings.TrimPrefix(filepath.ToSlash(place), "component/internal/")), text})
		return nil
	})
	return rows, err
}

// readPackage returns the name of a package, "" where there are tests at most, and the
// first sentence of its comment.
func readPackage(dir string) (name, text string, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return "", "", err
	}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			return "", "", err
		}
		name, text = file.Name.Name, cmp.Or(text, sentence(file))
	}
	return name, text, nil
}

var (
	opening = regexp.MustCompile(`^(Package|Command) \w+ (is )?`)
	sources = regexp.MustCompile(` \([^()]*/[^()]*\)`) // in brackets, where facts come from
)

// sentence is the first sentence of a package's comment, as the words of a table.
func sentence(file *ast.File) string {
	text := (&doc.Package{}).Synopsis(file.Doc.Text())
	text = sources.ReplaceAllString(opening.ReplaceAllString(text, ""), "")
	return strings.ReplaceAll(strings.TrimSuffix(text, "."), "|", `\|`)
}
