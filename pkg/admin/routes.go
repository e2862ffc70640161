package admin

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/seed52205347/relayminer/pkg/session"
)

// What answers consist of.
const (
	contentJSON  = "application/json"
	contentLines = "application/x-ndjson"
	contentFile  = "application/octet-stream"
)

// handler answers a request.
type handler func(w *patientWriter, r *http.Request)

// routes returns the handler of all requests.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	for pattern, handle := range map[string]handler{
		"GET /v1/store":               answer(func(*http.Request) (any, error) { return s.store, nil }),
		"GET /v1/sessions":            answer(s.list),
		"GET /v1/sessions/{id}":       answer(s.show),
		"DELETE /v1/sessions/{id}":    answer(s.drop),
		"GET /v1/sessions/{id}/proof": answer(s.prove),
		"GET /v1/sessions/{id}/file":  s.export,
		"GET /v1/ledger":              answer(s.ledger),
		"GET /v1/transactions":        answer(s.transactions),
		"POST /v1/verifications":      s.verify,
		"GET /v1/status":              answer(s.report),
		"POST /v1/pause":              s.carryOut(pause),
		"POST /v1/resume":             s.carryOut(resume),
		"POST /v1/flush":              s.carryOut(flush),
		"/":                           answer(unknown),
	} {
		mux.Handle(pattern, s.protect(handle))
	}
	return mux
}

func unknown(r *http.Request) (any, error) {
	return nil, fmt.Errorf("%w: there is no %s %s", session.ErrInvalid, r.Method, r.URL.Path)
}

// answer returns a handler that answers with what do returns.
func answer(do func(*http.Request) (any, error)) handler {
	return func(w *patientWriter, r *http.Request) {
		value, err := do(r)
		if err != nil {
			w.fail(err)
			return
		}
		w.Header().Set("Content-Type", contentJSON)
		writeJSON(w, value)
	}
}

// writeJSON writes a value on a line. That the client is gone is its own affair.
func writeJSON(w io.Writer, value any) {
	_ = json.NewEncoder(w).Encode(value)
}

// name returns the session that the request is about.
func name(r *http.Request) session.Name {
	return session.Name{ID: r.PathValue("id"), Supplier: r.URL.Query().Get(paramSupplier)}
}

// flag returns whether a parameter is set.
func flag(query url.Values, param string) (bool, error) {
	value := query.Get(param)
	if value == "" {
		return false, nil
	}
	set, err := strconv.ParseBool(value)
	if err != nil {
		return false, fmt.Errorf("%w: %s is %q, want true or false", session.ErrInvalid, param, value)
	}
	return set, nil
}

// filter returns the filter that the parameters stand for.
func filter(query url.Values) session.Filter {
	filter := session.Filter{Supplier: query.Get(paramSupplier)}
	for _, state := range query[paramState] {
		filter.States = append(filter.States, session.State(state))
	}
	return filter
}

func (s *Server) list(r *http.Request) (any, error) {
	return s.sessions.List(r.Context(), filter(r.URL.Query()))
}

func (s *Server) ledger(r *http.Request) (any, error) {
	return s.sessions.Ledger(r.Context(), filter(r.URL.Query()))
}

func (s *Server) transactions(r *http.Request) (any, error) {
	query := r.URL.Query()
	open, err := flag(query, paramOpen)
	if err != nil {
		return nil, err
	}
	return s.sessions.Transactions(r.Context(), session.TxFilter{
		Supplier: query.Get(paramSupplier), Session: query.Get(paramSession), Open: open,
	})
}

func (s *Server) show(r *http.Request) (any, error) { return s.sessions.Show(r.Context(), name(r)) }

func (s *Server) drop(r *http.Request) (any, error) {
	force, err := flag(r.URL.Query(), paramForce)
	if err != nil {
		return nil, err
	}
	return s.sessions.Drop(r.Context(), name(r), force)
}

func (s *Server) prove(r *http.Request) (any, error) {
	path, err := hex.DecodeString(r.URL.Query().Get(paramPath))
	if err != nil {
		return nil, fmt.Errorf("%w: path: %w", session.ErrInvalid, err)
	}
	return s.sessions.Prove(r.Context(), name(r), path)
}

// export answers with a session file. If it cannot be finished the connection is
// cut.
func (s *Server) export(w *patientWriter, r *http.Request) {
	w.Header().Set("Content-Type", contentFile)
	if err := s.sessions.Export(r.Context(), name(r), w); err != nil {
		s.log.Warn("export ended early", "session_id", r.PathValue("id"), "error", err)
		w.fail(err)
	}
}

// verify answers with what happens, as it happens.
func (s *Server) verify(out *patientWriter, r *http.Request) {
	what, err := verification(r.URL.Query())
	if err == nil {
		out.Header().Set("Content-Type", contentLines)
		encoder := json.NewEncoder(out)
		err = s.sessions.Verify(r.Context(), what, func(event session.Event) error {
			if err := encoder.Encode(line{Event: event}); err != nil {
				return err
			}
			return out.flush()
		})
	}
	switch {
	case err == nil:
		writeJSON(out, line{Done: true})
	case out.begun:
		wire, _ := wireErrorOf(err)
		writeJSON(out, line{Error: wire})
	default:
		out.fail(err)
	}
}

// verification returns what the parameters ask to be verified.
func verification(query url.Values) (what session.Verification, err error) {
	what.Name = session.Name{ID: query.Get(paramID), Supplier: query.Get(paramSupplier)}
	if what.All, err = flag(query, paramAll); err != nil {
		return what, err
	}
	what.Deep, err = flag(query, paramDeep)
	return what, err
}
