package faultnode

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// controlTimeout bounds the writing of a ping.
const controlTimeout = time.Second

// socket is a client's websocket and the one to the node behind it.
type socket struct {
	proxy        *Proxy
	client, node *websocket.Conn
	ctx          context.Context // ends with the socket
	wg           sync.WaitGroup  // events on their way

	clientMu, nodeMu sync.Mutex // held while a message is written
}

// serveWebSocket joins a client's websocket to one to the node, until either ends.
func (p *Proxy) serveWebSocket(w http.ResponseWriter, r *http.Request) {
	node, response, err := websocket.DefaultDialer.DialContext(r.Context(), "ws://"+p.node.rpcAddr+"/websocket", nil)
	if err != nil {
		abort(w)
		return
	}
	defer node.Close()
	defer response.Body.Close()
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	client, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // the upgrader has answered
	}
	defer client.Close()
	client.SetReadLimit(maxBytes)
	node.SetReadLimit(maxBytes)

	// The request's context ends when the connection is taken over.
	ctx, cancel := context.WithCancel(p.base)
	s := &socket{proxy: p, client: client, node: node, ctx: ctx}
	defer s.wg.Wait()
	defer cancel()
	node.SetPingHandler(s.passPing)
	if !p.addSocket(s) {
		return
	}
	defer p.dropSocket(s)
	var down sync.WaitGroup
	defer down.Wait()
	defer s.cut()
	down.Go(func() {
		defer s.cut()
		s.readNode()
	})
	s.readClient()
}

// addSocket registers a socket to be cut. It reports false when the proxy is
// closed.
func (p *Proxy) addSocket(s *socket) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.sockets[s] = struct{}{}
	return true
}

func (p *Proxy) dropSocket(s *socket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.sockets, s)
}

// CutWebSockets breaks all websockets and returns how many there were. New ones
// can be made.
func (p *Proxy) CutWebSockets() int {
	p.mu.Lock()
	cut := make([]*socket, 0, len(p.sockets))
	for s := range p.sockets {
		cut = append(cut, s)
	}
	p.mu.Unlock()
	for _, s := range cut {
		s.cut()
	}
	return len(cut)
}

// cut breaks both sides. Connections that are broken already need no more.
func (s *socket) cut() {
	_ = s.client.Close()
	_ = s.node.Close()
}

// passPing hands a ping of the node on, so that the client sees life where the
// node shows it, and answers it.
func (s *socket) passPing(data string) error {
	deadline := time.Now().Add(controlTimeout)
	if err := s.client.WriteControl(websocket.PingMessage, []byte(data), deadline); err != nil {
		return err
	}
	return s.node.WriteControl(websocket.PongMessage, []byte(data), deadline)
}

// readClient hands the client's requests on until the socket breaks.
func (s *socket) readClient() {
	for {
		kind, message, err := s.client.ReadMessage()
		if err != nil {
			return
		}
		var request rpcRequest
		if json.Unmarshal(message, &request) != nil {
			if write(&s.nodeMu, s.node, kind, message) != nil {
				return
			}
			continue
		}
		// What the node answers comes by itself, among the events.
		answer := s.proxy.handle(s.ctx, request.call(WebSocket), func(_ context.Context, call *Call) *Answer {
			body, err := json.Marshal(call.request())
			if err != nil {
				return broken(err)
			}
			if write(&s.nodeMu, s.node, websocket.TextMessage, body) != nil {
				return &Answer{Cut: true}
			}
			return nil
		})
		if !s.finish(answer) {
			return
		}
	}
}

// finish writes what a fault has answered to a request. It reports false if the
// socket is to break.
func (s *socket) finish(answer *Answer) bool {
	switch {
	case answer == nil:
		return true
	case answer.Cut:
		return false
	}
	return write(&s.clientMu, s.client, websocket.TextMessage, answer.Body) == nil
}

// readNode hands the node's events and answers on until the socket breaks.
func (s *socket) readNode() {
	for {
		kind, message, err := s.node.ReadMessage()
		if err != nil {
			return
		}
		if !isEvent(message) {
			if write(&s.clientMu, s.client, kind, message) != nil {
				return
			}
			continue
		}
		call := &Call{Protocol: WebSocket, Method: Event, Body: message}
		if !s.proxy.named(call) {
			s.deliver(call)
			continue
		}
		// An event that a rule is for travels by itself, so that one that is held
		// back does not hold up the others.
		s.wg.Go(func() { s.deliver(call) })
	}
}

// named reports whether any rule is for calls like this.
func (p *Proxy) named(call *Call) bool {
	for _, active := range p.active() {
		if active.rule.names(call) {
			return true
		}
	}
	return false
}

func (s *socket) deliver(call *Call) {
	answer := s.proxy.handle(s.ctx, call, func(ctx context.Context, call *Call) *Answer {
		if ctx.Err() != nil || write(&s.clientMu, s.client, websocket.TextMessage, call.Body) != nil {
			return &Answer{Cut: true}
		}
		return nil
	})
	if answer != nil && answer.Cut {
		s.cut()
	}
}

// isEvent tells an event from the answer to a request, which can have the same id.
func isEvent(message []byte) bool {
	var response struct {
		Result struct {
			Data json.RawMessage `json:"data"`
		} `json:"result"`
	}
	return json.Unmarshal(message, &response) == nil && len(response.Result.Data) > 0
}

func write(mu *sync.Mutex, conn *websocket.Conn, kind int, message []byte) error {
	mu.Lock()
	defer mu.Unlock()
	return conn.WriteMessage(kind, message)
}
