// Package config reads the configuration file of the relay miner: the YAML of
// Pocket's official relay miner, so that an operator switches by pointing this
// one at the same file, and a few optional keys beside it.
//
// The file is walked as a tree of YAML nodes rather than decoded into a struct.
// Every node knows its line, so each problem is reported with file, line, key
// and remedy, and all of them in one go: an operator corrects the file once.
//
// Invariants:
//
//   - A *Config that Parse has returned is complete: defaults are filled in,
//     every Service has its keys, its limits and a default backend, and all
//     URLs have been parsed. Nothing in it has to be checked again.
//   - Every key of the official relay miner is accepted. One that has no
//     meaning here is reported in Config.Warnings, never ignored in silence.
//     Every other key is an error.
//   - A key whose value is null, an empty string, an empty list or, where the
//     official relay miner takes it so, 0 counts as absent.
//   - Passwords and header values are of type Secret, which no formatting verb,
//     logger or encoder prints; no error and no warning repeats one, unless the
//     file is not YAML: the YAML parser may then quote a word of it.
//
// The package does not look at the world: it opens no key ring, resolves no
// host and binds no address. Whether keys, nodes and backends exist is found out
// by the parts that use them.
package config
