package localnet

import (
	"log/slog"
	"sync/atomic"

	"cosmossdk.io/log"
)

// nodeLogger lets the SDK and CometBFT log to a slog.Logger until silenced:
// when it is stopped, CometBFT reports its own closing of listeners as errors.
type nodeLogger struct {
	logger   *slog.Logger
	silenced *atomic.Bool
}

var _ log.Logger = nodeLogger{}

func newNodeLogger(logger *slog.Logger) nodeLogger {
	return nodeLogger{logger: logger, silenced: new(atomic.Bool)}
}

func (l nodeLogger) silence() { l.silenced.Store(true) }

// Debug implements log.Logger.
func (l nodeLogger) Debug(msg string, keyVals ...any) {
	if !l.silenced.Load() {
		l.logger.Debug(msg, keyVals...)
	}
}

// Info implements log.Logger.
func (l nodeLogger) Info(msg string, keyVals ...any) {
	if !l.silenced.Load() {
		l.logger.Info(msg, keyVals...)
	}
}

// Warn implements log.Logger.
func (l nodeLogger) Warn(msg string, keyVals ...any) {
	if !l.silenced.Load() {
		l.logger.Warn(msg, keyVals...)
	}
}

// Error implements log.Logger.
func (l nodeLogger) Error(msg string, keyVals ...any) {
	if !l.silenced.Load() {
		l.logger.Error(msg, keyVals...)
	}
}

// With implements log.Logger.
func (l nodeLogger) With(keyVals ...any) log.Logger {
	return nodeLogger{logger: l.logger.With(keyVals...), silenced: l.silenced}
}

// Impl implements log.Logger.
func (l nodeLogger) Impl() any { return l.logger }
