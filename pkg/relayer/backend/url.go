package backend

import (
	"net/url"
	"strings"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// joinURL returns the base URL with the path and query that a relay asks for
// below it. Escapes, empty segments and trailing slashes stay as they are, the
// query follows the base's; scheme, host and fragment of the asked URL are
// ignored. An asked path of "/" is the base itself. A path that would leave the
// base is refused with relayer.ErrMalformedRequest.
func joinURL(base *url.URL, asked string) (*url.URL, error) {
	reference, err := parseReference(asked)
	if err != nil {
		return nil, err
	}
	for segment := range strings.FieldsFuncSeq(reference.Path, isSeparator) {
		if relative(segment) {
			return nil, relayer.ErrMalformedRequest.Wrapf("url %.80q has a relative path segment", asked)
		}
	}
	escaped := base.EscapedPath()
	if path := rawPath(reference); path != "" && path != "/" {
		escaped = strings.TrimSuffix(escaped, "/") + "/" + strings.TrimPrefix(path, "/")
	}
	if escaped == "" {
		escaped = "/"
	}
	unescaped, err := url.PathUnescape(escaped)
	if err != nil {
		return nil, relayer.ErrMalformedRequest.Wrapf("url %.80q is not valid", asked)
	}
	joined := *base
	joined.Path, joined.RawPath = unescaped, escaped
	joined.RawQuery = escape(joinNonEmpty(base.RawQuery, "&", reference.RawQuery), allowedInQuery)
	joined.ForceQuery = base.ForceQuery || reference.ForceQuery
	joined.Fragment, joined.RawFragment = "", ""
	return &joined, nil
}

// parseReference parses the URL that a relay asks for.
func parseReference(asked string) (*url.URL, error) {
	withoutFragment, _, _ := strings.Cut(asked, "#")
	parse := url.Parse
	if strings.HasPrefix(withoutFragment, "/") {
		parse = url.ParseRequestURI // reads a leading "//" as path, not as host
	}
	reference, err := parse(withoutFragment)
	if err != nil {
		return nil, relayer.ErrMalformedRequest.Wrapf("url %.80q is not valid", asked)
	}
	if reference.Opaque != "" {
		return nil, relayer.ErrMalformedRequest.Wrapf("url %.80q has no path", asked)
	}
	return reference, nil
}

// isSeparator says whether a server may take the character for the end of a path
// segment: those that follow the WHATWG's URL standard read "\" as "/".
func isSeparator(r rune) bool { return r == '/' || r == '\\' }

// relative says whether a server may take the unescaped segment for "." or "..":
// some cut parameters, which begin with ";", off first.
func relative(segment string) bool {
	name, _, _ := strings.Cut(segment, ";")
	return name == "." || name == ".."
}

// rawPath returns the path as it was asked for, with those bytes escaped that
// may not occur in a path.
func rawPath(reference *url.URL) string {
	if reference.RawPath != "" {
		// URL.EscapedPath would undo all escapes to repair a single byte.
		return escape(reference.RawPath, allowedInPath)
	}
	return reference.EscapedPath()
}

// escape percent-encodes the bytes of s that are not allowed.
func escape(s string, allowed func(byte) bool) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; allowed(c) {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}

// allowedInPath are the characters of a path (RFC 3986, section 3.3), escapes
// and the brackets that net/url lets pass as well.
func allowedInPath(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		strings.IndexByte("-._~!$&'()*+,;=:@/%[]", c) >= 0
}

// allowedInQuery is everything that does not end the URL in a request line.
func allowedInQuery(c byte) bool { return c > ' ' && c != 0x7f }

func joinNonEmpty(a, separator, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + separator + b
}
