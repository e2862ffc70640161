package chain

import "sync"

// seenSessions are the sessions that were asked for of late, at most maxSessions:
// what is asked for beyond that is not kept.
type seenSessions struct {
	mu   sync.Mutex
	keys map[sessionKey]struct{}
}

func newSeenSessions() *seenSessions { return &seenSessions{keys: make(map[sessionKey]struct{})} }

func (s *seenSessions) add(key sessionKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.keys) < maxSessions {
		s.keys[key] = struct{}{}
	}
}

// before returns the sessions that began before a height, one for each application
// and service.
func (s *seenSessions) before(start int64) []sessionKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	latest := make(map[sessionKey]int64)
	for key := range s.keys {
		if pair := (sessionKey{application: key.application, service: key.service}); key.start < start {
			latest[pair] = max(latest[pair], key.start)
		}
	}
	found := make([]sessionKey, 0, len(latest))
	for pair, began := range latest {
		pair.start = began
		found = append(found, pair)
	}
	return found
}

// forget drops the sessions that began before a height.
func (s *seenSessions) forget(start int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range s.keys {
		if key.start < start {
			delete(s.keys, key)
		}
	}
}
