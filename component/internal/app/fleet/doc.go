// Package fleet changes what is desired of many things, with guard rails, and tells
// how far a fleet is from what is desired of it.
//
// A change is planned in a file, its journal, which is written ahead: what was desired of a
// thing before is on disk before anything is sent. So a change that was stopped or
// killed is taken up again without doing anything twice, and can be undone.
package fleet
