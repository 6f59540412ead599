package ipctest

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"
)

// Vector is a row of eventstream/testdata/vectors.json: documented bytes.
type Vector struct {
	Name  string
	Bytes []byte
	Error string // how the error begins when they are no message, else ""
}

// Vectors reads the rows of that file, by name.
func Vectors(t testing.TB, path string) map[string]Vector {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct{ Name, Hex, Error string }
	if err := json.Unmarshal(data, &rows); err != nil {
		t.Fatal(err)
	}
	vectors := make(map[string]Vector)
	for _, row := range rows {
		b, err := hex.DecodeString(row.Hex)
		if err != nil {
			t.Fatalf("%s: %v", row.Name, err)
		}
		vectors[row.Name] = Vector{row.Name, b, row.Error}
	}
	return vectors
}
