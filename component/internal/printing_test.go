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

// aroundPrinting lists the files of commands that may write past package printable,
// with the reason.
var aroundPrinting = map[string]string{
	"dev/cloud/sigv4/sigv4.go":  "composes the text of a signature",
	"dev/control/server.go":     "answers a client of a socket",
	"app/migrate/migrate.go":    "composes a text that its command prints",
	"gateway/doctor/finding.go": "composes a text from printable parts",
}

// TestCommandsPrintPrintable holds the source code of both programs to package
// printable: nothing that may have come from others reaches a terminal or a
// spreadsheet in another way.
func TestCommandsPrintPrintable(t *testing.T) {
	t.Parallel()
	files, prints := 0, 0
	for _, root := range []string{"gateway", "app", "dev"} {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			files++
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				return err
			}
			faults := printedPast(file, &prints)
			if name := filepath.ToSlash(path); aroundPrinting[name] != "" {
				if len(faults) == 0 {
					t.Errorf("%s prints nothing past the package; it needs no exception", name)
				}
				return nil
			}
			for _, fault := range faults {
				t.Errorf("%s: %s", path, fault)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 50 || prints < 100 {
		t.Errorf("%d files with %d prints: the test looks at the wrong place", files, prints)
	}
	const hostile = `package x
import ("fmt"; "os"; "io"; "encoding/json"; "text/tabwriter"; p "github.com/shadowgpio/shadowgpio/component/internal/edge/printable")
func f(env Env, w io.Writer, s string) {
	fmt.Fprintf(w, s); fmt.Println(s); io.WriteString(w, s); os.Stdout.WriteString(s); json.NewEncoder(w); env.Stdout.Write(nil)
	println(s); p.Safe(s); p.Fprintf(w, s); p.Sprintf("a"+s)
}`
	file, err := parser.ParseFile(token.NewFileSet(), "x.go", hostile, 0)
	if err != nil {
		t.Fatal(err)
	}
	if faults := printedPast(file, &prints); len(faults) != 11 {
		t.Errorf("of 11 ways past the package, the test finds %q", faults)
	}
}

// printedPast lists what a file prints past package printable, and counts the rest.
func printedPast(file *ast.File, prints *int) (faults []string) {
	names := map[string]string{} // of packages, by what the file calls them
	for _, spec := range file.Imports {
		path, _ := strconv.Unquote(spec.Path.Value)
		name := path[strings.LastIndexByte(path, '/')+1:]
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = path
		if path == "text/tabwriter" || path == "encoding/csv" || path == "log" {
			faults = append(faults, "import of "+path)
		}
	}
	constants := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		if d, ok := n.(*ast.GenDecl); ok && d.Tok == token.CONST {
			for _, spec := range d.Specs {
				for _, name := range spec.(*ast.ValueSpec).Names {
					constants[name.Name] = true
				}
			}
		}
		return true
	})
	constant := func(e ast.Expr) bool {
		switch e := e.(type) {
		case *ast.BasicLit:
			return true
		case *ast.Ident:
			return constants[e.Name] || e.Name == "format" // a format of a caller in the same package
		}
		return false
	}
	ast.Inspect(file, func(n ast.Node) bool {
		selector, ok := n.(*ast.SelectorExpr)
		if ok {
			if x, ok := selector.X.(*ast.Ident); ok && names[x.Name] == "os" && (selector.Sel.Name == "Stdout" || selector.Sel.Name == "Stderr") {
				faults = append(faults, "os."+selector.Sel.Name)
			}
		}
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if f, ok := call.Fun.(*ast.Ident); ok && (f.Name == "print" || f.Name == "println") {
			faults = append(faults, f.Name)
		}
		f, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if inner, ok := f.X.(*ast.SelectorExpr); ok && (inner.Sel.Name == "Stdout" || inner.Sel.Name == "Stderr") && strings.HasPrefix(f.Sel.Name, "Write") && len(call.Args) == 1 {
			if x, ok := inner.X.(*ast.Ident); !ok || names[x.Name] != "os" {
				faults = append(faults, inner.Sel.Name+"."+f.Sel.Name)
			}
		}
		x, ok := f.X.(*ast.Ident)
		if !ok {
			return true
		}
		switch path := names[x.Name]; {
		case path == "fmt" && (strings.HasPrefix(f.Sel.Name, "Print") || strings.HasPrefix(f.Sel.Name, "Fprint")),
			path == "io" && f.Sel.Name == "WriteString",
			path == "encoding/json" && f.Sel.Name == "NewEncoder":
			faults = append(faults, path+"."+f.Sel.Name)
		case strings.HasSuffix(path, "/edge/printable"):
			*prints++
			format := map[string]int{"Fprintf": 1, "Sprintf": 0, "Safe": 0}
			if i, ok := format[f.Sel.Name]; ok && (i >= len(call.Args) || !constant(call.Args[i])) {
				faults = append(faults, "printable."+f.Sel.Name+" of a text that is no constant")
			}
		}
		return true
	})
	return faults
}
