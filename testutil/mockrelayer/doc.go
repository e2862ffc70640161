// Package mockrelayer holds the generated mocks of the interfaces of pkg/relayer,
// for tests that have to force what real parts rarely do. `go generate ./pkg/...`
// makes them anew.
package mockrelayer
