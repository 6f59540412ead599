// Package docs_test holds the documents to the tree that they speak of.
package docs_test

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// tree has the text files of the repository by their paths in it, and its folders.
type tree struct {
	texts   map[string]string
	files   []string
	folders map[string]bool
}

// made are folders that scripts make.
var made = []string{"greengrass-build", "zip-build", "dist", "node_modules", "target"}

func readTree(t *testing.T) tree {
	t.Helper()
	all := tree{texts: map[string]string{}, folders: map[string]bool{}}
	root := "../.."
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root, file)
		name = filepath.ToSlash(name)
		if d.IsDir() {
			if slices.Contains(made, d.Name()) || strings.HasPrefix(d.Name(), ".") && name != "." && name != ".ci" {
				return filepath.SkipDir
			}
			all.folders[name] = true
			return nil
		}
		all.files = append(all.files, name)
		if slices.Contains([]string{".md", ".go", ".sh", ".py", ".yaml", ".yml", ".json", ".txt", ".xml", ".mod"}, path.Ext(name)) {
			text, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			all.texts[name] = string(text)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func (all tree) has(name string) bool {
	return all.folders[name] || slices.Contains(all.files, name)
}

// ends reports whether a file or folder has a path that ends with these elements.
func (all tree) ends(name string) bool {
	return slices.ContainsFunc(all.files, func(f string) bool {
		return strings.HasSuffix("/"+f, "/"+name) || strings.Contains("/"+f, "/"+name+"/")
	})
}

var (
	fences  = regexp.MustCompile("(?ms)^ *```.*?^ *```")
	spans   = regexp.MustCompile("`[^`\n]*`")
	links   = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#{1,6} +(.*?) *#*$`)
	marks   = regexp.MustCompile("[`*]|\\[|\\]\\([^)]*\\)")
	ids     = regexp.MustCompile(`<a (?:id|name)="([^"]+)">`)
)

// anchors are the fragments that a document has, as the host of the code makes them.
func anchors(text string) map[string]bool {
	all := map[string]bool{}
	for _, h := range heading.FindAllStringSubmatch(fences.ReplaceAllString(text, ""), -1) {
		slug := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, marks.ReplaceAllString(h[1], ""))
		name := slug
		for i := 1; all[name]; i++ {
			name = fmt.Sprintf("%s-%d", slug, i)
		}
		all[name] = true
	}
	for _, id := range ids.FindAllStringSubmatch(text, -1) {
		all[id[1]] = true
	}
	return all
}

// TestLinks follows the links between documents, to files and to headings.
func TestLinks(t *testing.T) {
	all := readTree(t)
	followed := 0
	for name, text := range all.texts {
		if path.Ext(name) != ".md" {
			continue
		}
		text = spans.ReplaceAllString(fences.ReplaceAllString(text, ""), "")
		for _, link := range links.FindAllStringSubmatch(text, -1) {
			target, anchor, _ := strings.Cut(link[1], "#")
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			followed++
			to := name
			if target != "" {
				to = path.Join(path.Dir(name), target)
			}
			if !all.has(to) {
				t.Errorf("%s: (%s): there is no %s", name, link[1], to)
			} else if anchor != "" && !anchors(all.texts[to])[anchor] {
				t.Errorf("%s: (%s): %s has no such heading", name, link[1], to)
			}
		}
	}
	if followed < 50 {
		t.Errorf("followed %d links only", followed)
	}
}

// named are the paths that texts name: from a folder at the top, or of a file by its last
// elements. Paths of other projects stand behind their names, owner/project, but for
// those of AWS's guides.
var (
	named     = regexp.MustCompile(`(?:^|[\s"'(=\x60])(\.{0,2}/?(?:[\w.-]+/)+[\w.*-]*)`)
	foreign   = regexp.MustCompile(`[\w.-]+/[\w.-]+ [\x60]?$`)
	top       = []string{"component", "gpio", "internal", "ipc", "recipes", "artifacts", "scripts"}
	elsewhere = []string{
		"artifacts/NAME/VERSION",                                // in greengrass-build
		"scripts/loader", "scripts/greengrass.service.template", // of the nucleus
		"artifacts/unarchive", "artifacts-unarchived", // of a gateway
	}
)

// TestPathsThatAreNamed looks for the files and folders that documents, scripts and
// comments name.
func TestPathsThatAreNamed(t *testing.T) {
	all := readTree(t)
	found := 0
	for name, text := range all.texts {
		if strings.Contains(name, "testdata/") || name == "CHANGELOG.md" || strings.HasSuffix(name, "package-lock.json") {
			continue
		}
		for i, line := range strings.Split(text, "\n") {
			switch path.Ext(name) {
			case ".go":
				_, comment, ok := strings.Cut(line, "//")
				if !ok || strings.HasSuffix(line[:len(line)-len(comment)-2], ":") { // of a URL
					continue
				}
				line = comment
			case ".md", ".sh":
			default:
				continue
			}
			for _, at := range named.FindAllStringSubmatchIndex(line, -1) {
				p := strings.TrimRight(line[at[2]:at[3]], "./*-")
				p = strings.TrimPrefix(strings.TrimPrefix(p, "./"), "/")
				first, _, _ := strings.Cut(p, "/")
				if p == "" || slices.Contains([]string{"developerguide", "doc_source"}, first) || slices.Contains(elsewhere, p) || foreign.MatchString(line[:at[2]]) {
					continue
				}
				switch path.Ext(p) {
				case ".go", ".md", ".sh", ".txtar":
				default:
					if !slices.Contains(top, first) || path.Ext(p) == ".java" {
						continue
					}
				}
				if strings.Contains(p, "*") {
					p = path.Dir(p[:strings.Index(p, "*")] + "x")
				}
				found++
				if beside := path.Join(path.Dir(name), p); !all.has(p) && !all.has(beside) && !all.ends(p) {
					t.Errorf("%s:%d: there is no %s", name, i+1, p)
				}
			}
		}
	}
	if found < 200 {
		t.Errorf("found %d paths only", found)
	}
}

// TestTestsThatAreNamed looks for the tests that documents name. A name that ends with …
// stands for all that begin so.
func TestTestsThatAreNamed(t *testing.T) {
	all := readTree(t)
	tests := map[string]bool{}
	for name, text := range all.texts {
		if strings.HasSuffix(name, "_test.go") {
			for _, found := range regexp.MustCompile(`(?m)^func (Test\w+|Benchmark\w+|Fuzz\w+)\(`).FindAllStringSubmatch(text, -1) {
				tests[found[1]] = true
			}
		}
	}
	found := 0
	for name, text := range all.texts {
		if path.Ext(name) != ".md" {
			continue
		}
		for i, line := range strings.Split(text, "\n") {
			for _, named := range regexp.MustCompile("`((?:Test|Benchmark|Fuzz)[A-Z]\\w*)(…?)`").FindAllStringSubmatch(line, -1) {
				found++
				known := tests[named[1]] || named[1] == "TestTemplateForCLI" // a template of AWS
				for test := range tests {
					known = known || named[2] != "" && strings.HasPrefix(test, named[1])
				}
				if !known {
					t.Errorf("%s:%d: there is no test %s", name, i+1, named[1])
				}
			}
		}
	}
	if found < 100 {
		t.Errorf("found %d tests only", found)
	}
}
