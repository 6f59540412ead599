package doctor

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const troubleshooting = "../../../docs/operate/TROUBLESHOOTING.md"

// TestTroubleshootingHasEveryMessage holds the document to the source: all that the
// component can log as a warning or an error, and all that the doctor can find.
func TestTroubleshootingHasEveryMessage(t *testing.T) {
	text, err := os.ReadFile(troubleshooting)
	if err != nil {
		t.Fatal(err)
	}
	entries := headings(string(text))
	said := logMessages(t)
	if len(said) < 35 {
		t.Fatalf("only %d messages were found in the source: %q", len(said), said)
	}
	for message, place := range said {
		if !entries[message] {
			t.Errorf("%s logs %q, which %s does not explain", place, message, troubleshooting)
		}
	}
	for kind := range severity {
		if !entries[string(kind)] {
			t.Errorf("doctor finds %s, which %s does not explain", kind, troubleshooting)
		}
	}
	for entry := range entries {
		if _, ok := said[entry]; !ok && severity[Kind(entry)] == "" {
			t.Errorf("%s explains %q, which nothing says", troubleshooting, entry)
		}
	}
}

// headings are what a document has entries for: code in bold.
func headings(document string) map[string]bool {
	found := map[string]bool{}
	for _, match := range regexp.MustCompile("\\*\\*`([^`]+)`\\*\\*").FindAllStringSubmatch(document, -1) {
		found[match[1]] = true
	}
	return found
}

// logMessages are the warnings and errors in the source of the edge binary, with
// where they are.
func logMessages(t *testing.T) map[string]string {
	t.Helper()
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if and .Module .Module.Main}}{{.Dir}}{{end}}", "../../../cmd/shadowgpio").Output()
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]string{}
	for dir := range strings.FieldsSeq(string(out)) {
		p := &source{t: t, set: token.NewFileSet(), said: said}
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			parsed, err := parser.ParseFile(p.set, file, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			p.files = append(p.files, parsed)
		}
		p.read()
	}
	return said
}

// source is one package.
type source struct {
	t     *testing.T
	set   *token.FileSet
	files []*ast.File
	said  map[string]string
}

func (p *source) read() {
	for _, f := range p.files {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
				p.function(fn)
			}
		}
	}
}

// function finds what a function logs: by calls of a logger's methods, or of a
// variable that such a method was put into.
func (p *source) function(fn *ast.FuncDecl) {
	variables := map[string]bool{}
	ast.Inspect(fn, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if logs(n.Fun) && len(n.Args) > 0 {
				p.message(fn, n, 0)
			} else if id, ok := n.Fun.(*ast.Ident); ok && variables[id.Name] {
				p.message(fn, n, 0)
			}
		case *ast.AssignStmt:
			for i, value := range n.Rhs {
				if id, ok := n.Lhs[min(i, len(n.Lhs)-1)].(*ast.Ident); ok && logs(value) {
					variables[id.Name] = true
				}
			}
		}
		return true
	})
}

// logs says whether an expression is a logger's method for warnings or errors. A call
// of it has arguments, as that of an error's method Error has not.
func logs(e ast.Expr) bool {
	s, ok := e.(*ast.SelectorExpr)
	return ok && (s.Sel.Name == "Warn" || s.Sel.Name == "Error")
}

// message notes the text of a call: argument i, or that of the callers of fn, if it
// is fn's parameter.
func (p *source) message(fn *ast.FuncDecl, call *ast.CallExpr, i int) {
	p.t.Helper()
	switch arg := call.Args[i].(type) {
	case *ast.BasicLit:
		p.note(arg)
		return
	case *ast.BinaryExpr: // a text that goes on
		if first, ok := arg.X.(*ast.BasicLit); ok {
			p.note(first)
			return
		}
	case *ast.Ident:
		if at := parameter(fn, arg.Name); at >= 0 && p.callers(fn, at) {
			return
		}
	}
	p.t.Errorf("%s: a message that is no text cannot be explained", p.set.Position(call.Pos()))
}

func (p *source) note(text *ast.BasicLit) {
	value, err := strconv.Unquote(text.Value)
	if err != nil {
		p.t.Fatal(err)
	}
	p.said[strings.TrimSpace(value)] = p.set.Position(text.Pos()).String()
}

func parameter(fn *ast.FuncDecl, name string) int {
	var names []string
	for _, field := range fn.Type.Params.List {
		for _, id := range field.Names {
			names = append(names, id.Name)
		}
	}
	return slices.Index(names, name)
}

// callers notes what the package calls a function with. It is false if nothing does.
func (p *source) callers(fn *ast.FuncDecl, at int) (any bool) {
	for _, f := range p.files {
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if s, ok := call.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == fn.Name.Name && len(call.Args) > at {
				any = true
				p.message(fn, call, at)
			}
			return true
		})
	}
	return any
}
