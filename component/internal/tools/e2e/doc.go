// Package e2e tests the programs as processes: the component beside a development core,
// over its real socket, on simulated and on real chips, and shadowctl as it is typed.
package e2e
