package faultnode

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// errNotBytes says that the codec was given something else than it deals in,
// which only a mistake in this package can cause.
var errNotBytes = errors.New("the message is not raw bytes")

// rawCodec leaves messages as they are, as *[]byte.
type rawCodec struct{}

var _ encoding.Codec = rawCodec{}

// Marshal implements encoding.Codec.
func (rawCodec) Marshal(v any) ([]byte, error) {
	message, ok := v.(*[]byte)
	if !ok {
		return nil, fmt.Errorf("%w: %T", errNotBytes, v)
	}
	return *message, nil
}

// Unmarshal implements encoding.Codec.
func (rawCodec) Unmarshal(data []byte, v any) error {
	message, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("%w: %T", errNotBytes, v)
	}
	*message = append([]byte(nil), data...)
	return nil
}

// Name implements encoding.Codec: what the bytes are on the wire.
func (rawCodec) Name() string { return "proto" }

// dialGRPC prepares the connection to the node. It is tried again often, for a
// node that is back must be reachable at once.
func dialGRPC(addr string) (*grpc.ClientConn, error) {
	redial := backoff.Config{BaseDelay: 20 * time.Millisecond, Multiplier: 1.5, MaxDelay: 200 * time.Millisecond}
	conn, err := grpc.NewClient("passthrough:///"+addr,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: redial, MinConnectTimeout: time.Second}),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(rawCodec{}), grpc.MaxCallRecvMsgSize(maxBytes)),
	)
	if err != nil {
		return nil, fmt.Errorf("grpc connection to the node at %s: %w", addr, err)
	}
	return conn, nil
}

// grpcOptions are those of a server that hands every method to one handler.
func grpcOptions(handler grpc.StreamHandler) []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ForceServerCodec(rawCodec{}),
		grpc.UnknownServiceHandler(handler),
		grpc.MaxRecvMsgSize(maxBytes),
		grpc.WaitForHandlers(true),
	}
}

// serveGRPC handles a gRPC call: one message, one answer.
func (p *Proxy) serveGRPC(_ any, stream grpc.ServerStream) error {
	method, ok := grpc.MethodFromServerStream(stream)
	if !ok {
		return status.Error(codes.Internal, "faultnode: call without method")
	}
	var request []byte
	if err := stream.RecvMsg(&request); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	defer context.AfterFunc(p.base, cancel)()
	incoming, _ := metadata.FromIncomingContext(ctx)
	call := &Call{Protocol: GRPC, Method: strings.TrimPrefix(method, "/"), Body: request, Header: passedOn(incoming)}
	answer := p.handle(ctx, call, p.invoke)
	switch {
	case answer == nil:
		<-ctx.Done()
		return status.FromContextError(ctx.Err()).Err()
	case answer.Cut:
		return status.Error(codes.Unavailable, "faultnode: the connection was cut")
	}
	if answer.Header != nil {
		if err := stream.SetHeader(answer.Header); err != nil {
			return err
		}
	}
	stream.SetTrailer(answer.Trailer)
	if answer.Err != nil {
		return answer.Err
	}
	return stream.SendMsg(&answer.Body)
}

// passedOn returns the metadata that is the caller's own. The rest belongs to the
// connection.
func passedOn(incoming metadata.MD) metadata.MD {
	outgoing := metadata.MD{}
	for key, values := range incoming {
		switch {
		case strings.HasPrefix(key, ":"), key == "content-type", key == "user-agent", strings.HasPrefix(key, "grpc-"):
		default:
			outgoing[key] = values
		}
	}
	return outgoing
}

// invoke hands a gRPC call on to the node.
func (p *Proxy) invoke(ctx context.Context, call *Call) *Answer {
	answer := &Answer{}
	ctx = metadata.NewOutgoingContext(ctx, call.Header)
	answer.Err = p.node.grpc.Invoke(ctx, "/"+call.Method, &call.Body, &answer.Body,
		grpc.Header(&answer.Header), grpc.Trailer(&answer.Trailer))
	return answer
}
