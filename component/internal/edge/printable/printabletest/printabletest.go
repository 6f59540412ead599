// Package printabletest has hostile text for tests of commands, and tells whether a
// command printed it raw.
package printabletest

import (
	"fmt"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Hostile is text that clears a screen, forges a line, breaks a table, reverses the
// reading direction and hides characters.
const Hostile = "x\x1b[2J\x1b]0;owned\a\u009b31m\u0085\u202e\u2066\u200e\u061c\u200b\u2028\ufeff\u3164\x7f\ty\r\n" + Forged + "=1+1"

// Forged begins the line that [Hostile] forges.
const Forged = "FORGED"

// Formula is hostile to a spreadsheet.
const Formula = "=HYPERLINK(\"http://example.com\",\"\x1b[2J\")"

// Fill sets every text below v, a pointer, to Hostile: in structs, pointers, slices, maps
// and interfaces that are nil. A text of a type of its own, such as a state, is kept.
func Fill(v any) { fill(reflect.ValueOf(v).Elem()) }

func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		if v.Type() == reflect.TypeFor[string]() && v.CanSet() {
			v.SetString(Hostile)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fill(v.Field(i))
			}
		}
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		fill(v.Elem())
	case reflect.Interface:
		if v.NumMethod() == 0 {
			v.Set(reflect.ValueOf(any(map[string]any{Hostile: []any{Hostile}})))
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() != reflect.Uint8 {
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			fill(v.Index(0))
		}
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key)
		fill(value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	}
}

// Raw tells what of hostile text a command printed raw, "" for nothing. Line breaks and
// the spaces of tables are the command's own; completions are parted by tabs.
func Raw(printed string) string {
	printed = strings.ReplaceAll(printed, "\t", "")
	if !utf8.ValidString(printed) {
		return "a byte that is no UTF-8"
	}
	for _, r := range printed {
		if r != '\n' && !unicode.IsPrint(r) || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) {
			return fmt.Sprintf("the character %U", r)
		}
	}
	if strings.Contains("\n"+printed, "\n"+Forged) {
		return "a line break"
	}
	return ""
}
