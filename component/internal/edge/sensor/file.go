package sensor

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// readText reads a small file of the kernel.
func readText(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	return string(bytes.TrimSpace(text)), nil
}

// readNumber reads a file that holds one number.
func readNumber(path string) (float64, error) {
	text, err := readText(path)
	if err != nil {
		return 0, err
	}
	return number(path, text)
}

func number(path, text string) (float64, error) {
	value, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(value) || math.IsInf(value, 0) {
		return 0, fmt.Errorf("%s: want a number, got %.40q", path, text)
	}
	return value, nil
}

// scaled is a sensor of a file whose number is in parts of the unit.
func scaled(name, unit, path string, scale float64) Sensor {
	return Sensor{name, unit, func() (float64, error) {
		value, err := readNumber(path)
		return value * scale, err
	}}
}

// directories lists the entries of a directory that match, sorted by number; none if
// there is no such directory.
func directories(dir, pattern string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var found []string
	for _, e := range entries {
		if ok, _ := filepath.Match(pattern, e.Name()); ok {
			found = append(found, filepath.Join(dir, e.Name()))
		}
	}
	return found, err
}

// label is the text of a file in one word, or "" where there is none.
func label(path string) string {
	text, err := readText(path)
	if err != nil {
		return ""
	}
	return word(strings.ToValidUTF8(text, ""))
}
