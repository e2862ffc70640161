package config

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
	"gopkg.in/yaml.v3"
)

// maxRequestTimeout is the longest time that a relay may take. A session is
// over and claimed by then.
const maxRequestTimeout = 24 * time.Hour

// without takes over a key that has no effect here, for the given reason.
func (p *parser) without(reason string, set setter) setter {
	return func(path string, n *yaml.Node) {
		p.warn(path, "", "has no effect: %s", reason)
		set(path, n)
	}
}

func (p *parser) text(dst *string) setter {
	return p.single(func(_, s string) { *dst = s })
}

func (p *parser) secret(dst *Secret) setter {
	return p.single(func(_, s string) { *dst = Secret(s) })
}

func (p *parser) flag(dst *bool) setter {
	return p.single(func(path, s string) {
		// The words that YAML 1.1, the official relay miner's, has for them.
		switch strings.ToLower(s) {
		case "true", "yes", "on", "y":
			*dst = true
		case "false", "no", "off", "n":
			*dst = false
		default:
			p.problem(path, "write true or false", "%s is neither true nor false", quote(s))
		}
	})
}

func (p *parser) count(dst *uint64) setter {
	return p.number(0, math.MaxUint64, "write a whole number, 0 or greater", "%s is not a number that counts something",
		func(_ string, v uint64) { *dst = v })
}

// maxBlocks is a number of blocks that takes longer than anybody waits.
const maxBlocks = 1 << 40

// blocks takes over a number of blocks.
func (p *parser) blocks(dst *uint64) setter {
	return p.number(0, maxBlocks, "write a whole number of blocks, or 0 for ever", "%s is not a number of blocks",
		func(_ string, v uint64) { *dst = v })
}

// connections takes over a number of connections, which is at least 2, so that
// half of it is one.
func (p *parser) connections(dst *int) setter {
	const most = 1 << 20
	return p.number(2, most, "write a whole number from 2 to "+strconv.Itoa(most), "%s is not a number of connections",
		func(_ string, v uint64) { *dst = int(v) })
}

// number returns the setter of a whole number from least to most, which hands it on. fix
// is how to write it, and not says what a text is not, with a %s for it. The decoder alone
// would also take a fraction, and cut it off.
func (p *parser) number(least, most uint64, fix, not string, take func(path string, v uint64)) setter {
	return func(path string, n *yaml.Node) {
		s, ok := p.scalar(path, n)
		if !ok {
			return
		}
		var v uint64
		n = follow(n)
		if n.ShortTag() != "!!int" || n.Decode(&v) != nil || v < least || v > most {
			p.problem(path, fix, not, quote(s))
			return
		}
		take(path, v)
	}
}

// seconds takes over a timeout in whole seconds. 0 leaves the default, as in
// the official relay miner.
func (p *parser) seconds(dst *time.Duration) setter {
	const limit = uint64(maxRequestTimeout / time.Second)
	fix := "write whole seconds, from 1 to " + strconv.FormatUint(limit, 10)
	return p.number(0, limit, fix, "%s is not a timeout in seconds", func(path string, v uint64) {
		if v == 0 {
			p.warn(path, "remove the key or set a timeout", "0 stands for the default")
			return
		}
		*dst = time.Duration(v) * time.Second
	})
}

func (p *parser) duration(dst *time.Duration) setter {
	return p.single(func(path, s string) {
		d, err := time.ParseDuration(s)
		if err != nil || d <= 0 {
			p.problem(path, "write a number with a unit, such as 10ms", "%s is not a time greater than 0", quote(s))
			return
		}
		*dst = d
	})
}

func (p *parser) durability(dst *Durability) setter {
	return p.single(func(path, s string) {
		switch d := Durability(s); d {
		case SyncBeforeReply, SyncAtIntervals:
			*dst = d
		default:
			p.problem(path, "write reply or interval", "%s is not a durability", quote(s))
		}
	})
}

// size takes over a number of bytes.
func (p *parser) size(dst *int64) setter {
	return p.single(func(path, s string) {
		bytes, ok := parseSize(s)
		if !ok || bytes <= 0 {
			p.problem(path, "write a number greater than 0 with a unit, such as 20MB", "%s is not a size", quote(s))
			return
		}
		*dst = bytes
	})
}

// parseSize reads a number of bytes such as "20MB", "20MiB", "20m" or "1.5 GB".
// All units are powers of 1024, as in the official relay miner.
func parseSize(s string) (int64, bool) {
	m := regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?) ?([kmgtp]?)(?:i?b)?$`).FindStringSubmatch(strings.ToLower(s))
	if m == nil {
		return 0, false
	}
	number, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return 0, false
	}
	bytes := math.Ldexp(number, 10*(strings.Index(" kmgtp", m[2])))
	if m[2] == "" {
		bytes = number
	}
	if bytes >= math.MaxInt64 {
		return 0, false
	}
	return int64(bytes), true
}

// names takes over a list of names, each once.
func (p *parser) names(dst *[]string) setter {
	return func(path string, n *yaml.Node) {
		for _, item := range p.items(path, n) {
			if absent(item.value) {
				p.problem(item.path, "write a name or remove the item", "is empty")
				continue
			}
			name, ok := p.scalar(item.path, item.value)
			switch {
			case !ok:
			case slices.Contains(*dst, name):
				p.warn(item.path, "remove one of them", "%s is in the list twice", quote(name))
			default:
				*dst = append(*dst, name)
			}
		}
	}
}

// headers takes over HTTP headers. Their values are secrets.
func (p *parser) headers(dst *map[string]Secret) setter {
	return func(path string, n *yaml.Node) {
		headers := make(map[string]Secret)
		lower := make(map[string]bool)
		for _, e := range p.entries(path, n) {
			value, ok := "", true
			if !absent(e.value) {
				value, ok = p.scalar(e.path, e.value)
			}
			folded := strings.ToLower(e.name)
			switch {
			case !ok:
			case !httpguts.ValidHeaderFieldName(e.name):
				p.problem(e.path, "use letters, digits and hyphens", "is not the name of a header")
			case !httpguts.ValidHeaderFieldValue(value):
				p.problem(e.path, "remove line breaks and control characters", "has a value that a header cannot have")
			case lower[folded]:
				p.problem(e.path, "remove one of them", "is here twice, in different case")
			default:
				lower[folded] = true
				headers[e.name] = Secret(value)
			}
		}
		*dst = headers
	}
}
