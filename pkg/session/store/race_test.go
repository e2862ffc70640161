//go:build race

package store

// raceDetector reports whether the test was built with the race detector.
const raceDetector = true
