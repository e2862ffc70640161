// Package buffer lends byte buffers, so that a relay's bytes are read into and
// encoded in memory that the one before has left.
package buffer
