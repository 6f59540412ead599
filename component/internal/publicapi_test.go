package internal_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestPublicAPINamesNoInternalType looks for types of internal packages in what the
// public packages export.
func TestPublicAPINamesNoInternalType(t *testing.T) {
	files := 0
	for _, tree := range []string{"../../gpio", "../../ipc"} {
		err := filepath.WalkDir(tree, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && d.Name() == "testdata":
				return filepath.SkipDir
			case d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go"):
				return nil
			}
			files++
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, path, nil, 0)
			if err != nil {
				return err
			}
			for _, found := range internalTypes(file) {
				t.Errorf("%s: an exported declaration names %s", fset.Position(found.Pos()), found.Sel.Name)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 50 {
		t.Errorf("looked at %d files only", files)
	}
}

// internalTypes are the names of internal packages in the exported declarations of a
// file, function bodies and the values of variables with a type of their own aside.
func internalTypes(file *ast.File) (found []*ast.SelectorExpr) {
	internal := map[string]bool{}
	for _, spec := range file.Imports {
		path, _ := strconv.Unquote(spec.Path.Value)
		if !strings.HasPrefix(path, module+"internal/") {
			continue
		}
		name := path[strings.LastIndex(path, "/")+1:]
		if spec.Name != nil {
			name = spec.Name.Name
		}
		internal[name] = true
	}
	look := func(n ast.Node) {
		ast.Inspect(n, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Field: // members and embedded types that others do not see
				for _, name := range n.Names {
					if !name.IsExported() && isMember(file, n) {
						return false
					}
				}
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && internal[x.Name] {
					found = append(found, n)
				}
			}
			return true
		})
	}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && (d.Recv == nil || receiverIsExported(d.Recv)) {
				look(d.Type)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					if spec.Name.IsExported() {
						look(spec.Type)
					}
				case *ast.ValueSpec:
					if !spec.Names[0].IsExported() {
						continue
					}
					if spec.Type != nil {
						look(spec.Type)
						continue
					}
					for _, value := range spec.Values {
						// A conversion has the type of its function.
						if call, ok := value.(*ast.CallExpr); ok {
							value = call.Fun
						}
						look(value)
					}
				}
			}
		}
	}
	return found
}

// isMember reports whether a field is one of a struct, not a parameter.
func isMember(file *ast.File, field *ast.Field) (member bool) {
	ast.Inspect(file, func(n ast.Node) bool {
		if s, ok := n.(*ast.StructType); ok {
			for _, f := range s.Fields.List {
				member = member || f == field
			}
		}
		return !member
	})
	return member
}

func receiverIsExported(list *ast.FieldList) bool {
	t := list.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	if index, ok := t.(*ast.IndexExpr); ok {
		t = index.X
	}
	name, ok := t.(*ast.Ident)
	return ok && name.IsExported()
}
