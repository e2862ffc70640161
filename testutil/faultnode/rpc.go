package faultnode

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// maxBytes bounds a request, an answer and an event. The results of a block with
// many settlements have some megabytes.
const maxBytes = 64 << 20

// rpcRequest is a JSON-RPC request.
type rpcRequest struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id,omitempty"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params,omitempty"`
}

func (r rpcRequest) call(protocol Protocol) *Call {
	return &Call{Protocol: protocol, Method: r.Method, Body: r.Params, id: r.ID}
}

// request is the reverse of call.
func (c *Call) request() rpcRequest {
	return rpcRequest{Version: "2.0", ID: c.id, Method: c.Method, Params: c.Body}
}

// serveHTTP handles all that comes over HTTP.
func (p *Proxy) serveHTTP(w http.ResponseWriter, r *http.Request) {
	if !p.enter() {
		abort(w)
		return
	}
	defer p.handling.Done()
	switch {
	case r.URL.Path == "/websocket":
		p.serveWebSocket(w, r)
	case r.Method == http.MethodPost:
		p.servePost(w, r)
	default:
		call := &Call{Protocol: RPC, Method: strings.TrimPrefix(r.URL.Path, "/"), query: r.URL.Query()}
		reply(r.Context(), w, p.handle(r.Context(), call, p.getRPC))
	}
}

// servePost handles a JSON-RPC request or a batch of them. What is neither is the
// node's to answer.
func (p *Proxy) servePost(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBytes))
	if err != nil {
		abort(w)
		return
	}
	var batch []rpcRequest
	if json.Unmarshal(body, &batch) == nil {
		reply(r.Context(), w, p.handleBatch(r.Context(), batch))
		return
	}
	var one rpcRequest
	if json.Unmarshal(body, &one) != nil {
		reply(r.Context(), w, p.send(r.Context(), http.MethodPost, "/", body))
		return
	}
	reply(r.Context(), w, p.handle(r.Context(), one.call(RPC), p.postRPC))
}

// handleBatch handles the requests of a batch one after the other. The first that
// is not answered as usual decides for all.
func (p *Proxy) handleBatch(ctx context.Context, batch []rpcRequest) *Answer {
	answers := make([]json.RawMessage, 0, len(batch))
	for _, request := range batch {
		answer := p.handle(ctx, request.call(RPC), p.postRPC)
		if answer == nil || answer.Cut || !json.Valid(answer.Body) {
			return answer
		}
		answers = append(answers, answer.Body)
	}
	body, err := json.Marshal(answers)
	if err != nil {
		return broken(err)
	}
	return &Answer{Body: body}
}

// reply writes an answer. Without one it waits until the client gives up.
func reply(ctx context.Context, w http.ResponseWriter, answer *Answer) {
	if answer == nil {
		<-ctx.Done()
		abort(w)
		return
	}
	if answer.Cut {
		abort(w)
		return
	}
	if json.Valid(answer.Body) {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(cmp.Or(answer.Status, http.StatusOK))
	// A client that has gone needs no answer.
	_, _ = w.Write(answer.Body)
}

// abort breaks the connection of a request.
func abort(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		err = conn.Close()
	}
	_ = err // the connection is broken already
}

// postRPC asks the node in the form of JSON-RPC.
func (p *Proxy) postRPC(ctx context.Context, call *Call) *Answer {
	body, err := json.Marshal(call.request())
	if err != nil {
		return broken(err)
	}
	return p.send(ctx, http.MethodPost, "/", body)
}

// getRPC asks the node in the form of a URI.
func (p *Proxy) getRPC(ctx context.Context, call *Call) *Answer {
	return p.send(ctx, http.MethodGet, "/"+call.Method+"?"+call.query.Encode(), nil)
}

// send hands a request on to the node. A node that cannot be reached breaks the
// client's connection too.
func (p *Proxy) send(ctx context.Context, method, uri string, body []byte) *Answer {
	answer, err := p.node.do(ctx, method, uri, body)
	if err != nil {
		return &Answer{Cut: true}
	}
	return answer
}

func (n *node) do(ctx context.Context, method, uri string, body []byte) (*Answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://"+n.rpcAddr+uri, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := n.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxBytes))
	if err != nil {
		return nil, err
	}
	return &Answer{Status: response.StatusCode, Body: answer}, nil
}

// ask puts a question of the proxy's own to the node and decodes the result.
func (n *node) ask(ctx context.Context, method string, params map[string]string, result any) error {
	encoded, err := json.Marshal(params)
	if err != nil {
		return err
	}
	body, err := json.Marshal(rpcRequest{Version: "2.0", ID: json.RawMessage("-1"), Method: method, Params: encoded})
	if err != nil {
		return err
	}
	answer, err := n.do(ctx, http.MethodPost, "/", body)
	if err != nil {
		return fmt.Errorf("ask the node for %s: %w", method, err)
	}
	var response struct {
		Result json.RawMessage `json:"result"`
		Error  json.RawMessage `json:"error"`
	}
	if err := json.Unmarshal(answer.Body, &response); err != nil {
		return fmt.Errorf("ask the node for %s: %w", method, err)
	}
	if response.Error != nil {
		return fmt.Errorf("ask the node for %s: it answers %s", method, response.Error)
	}
	if err := json.Unmarshal(response.Result, result); err != nil {
		return fmt.Errorf("ask the node for %s: %w", method, err)
	}
	return nil
}
