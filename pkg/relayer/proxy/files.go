package proxy

// mostReserved is how many open files are left to the store, the node's
// connections and the rest: without them what was answered could not be stored.
const mostReserved = 1024

// shares is how many files can be open for what strangers ask for. 0 is without a
// bound.
type shares struct {
	callers  int // connections of callers, to all listeners
	services int // connections to services
}

// sharesOf shares out that many open files, of which a quarter is reserved, but no
// more than necessary. A relay that is served needs a connection at each side, and
// many callers have none that is. 0 is for a system without a limit that is known.
func sharesOf(files uint64) shares {
	if files == 0 {
		return shares{}
	}
	rest := files - min(files/4, mostReserved)
	callers := rest / 3 * 2
	const most = 1 << 30 // such a number is no limit
	return shares{callers: int(max(1, min(callers, most))), services: int(max(1, min(rest-callers, most)))}
}

// limit returns how many connections one of so many listeners can have, which is
// configured as most.
func (s shares) limit(most, listeners int) int {
	if s.callers == 0 {
		return most
	}
	return max(1, min(most, s.callers/max(1, listeners)))
}
