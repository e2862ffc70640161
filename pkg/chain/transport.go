package chain

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"time"

	rpchttp "github.com/cometbft/cometbft/rpc/client/http"
	"github.com/cosmos/cosmos-sdk/codec"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

const (
	// maxAnswerBytes bounds a gRPC answer. The largest that is asked for is a
	// supplier with the history of its services.
	maxAnswerBytes = 64 << 20
	// maxRedialDelay bounds the pause before gRPC tries a broken connection
	// again. The library's two minutes are longer than a claim window.
	maxRedialDelay = 5 * time.Second
	// connectionsPerNode bounds the idle HTTP connections to one RPC server.
	connectionsPerNode = 16
)

// openGRPC prepares a connection, which is made with the first call.
func openGRPC(at grpcEndpoint, cdc *codec.ProtoCodec) (*grpc.ClientConn, error) {
	creds := insecure.NewCredentials()
	if at.tls {
		creds = credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12})
	}
	redial := backoff.DefaultConfig
	redial.BaseDelay = 200 * time.Millisecond
	redial.MaxDelay = maxRedialDelay
	conn, err := grpc.NewClient(at.target,
		grpc.WithTransportCredentials(creds),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: redial, MinConnectTimeout: maxRedialDelay}),
		grpc.WithDefaultCallOptions(
			grpc.ForceCodec(cdc.GRPCCodec()),
			grpc.MaxCallRecvMsgSize(maxAnswerBytes),
		),
	)
	if err != nil {
		return nil, fmt.Errorf("%w: grpc %s: %w", ErrConfig, at, err)
	}
	return conn, nil
}

// newHTTPClient has no timeout of its own: each call carries a context with one.
func newHTTPClient() *http.Client {
	return &http.Client{Transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: maxRedialDelay, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   maxRedialDelay,
		MaxIdleConnsPerHost:   connectionsPerNode,
		IdleConnTimeout:       90 * time.Second,
		ForceAttemptHTTP2:     true,
		ExpectContinueTimeout: time.Second,
	}}
}

// newGRPCServer prepares a gRPC server, which is connected to with the first call.
func newGRPCServer(raw string, insecure *bool, cdc *codec.ProtoCodec) (*server, error) {
	at, err := parseGRPC(raw, insecure)
	if err != nil {
		return nil, err
	}
	conn, err := openGRPC(at, cdc)
	if err != nil {
		return nil, err
	}
	return &server{name: at.String(), grpc: conn, wake: make(chan struct{}, 1)}, nil
}

// newRPCServer prepares an RPC server.
func newRPCServer(raw string, over *http.Client) (*server, error) {
	at, err := parseRPC(raw)
	if err != nil {
		return nil, err
	}
	client, err := rpchttp.NewWithClient(at.url.String(), "/websocket", over)
	if err != nil {
		return nil, fmt.Errorf("%w: rpc %s: %w", ErrConfig, at, err)
	}
	return &server{name: at.String(), rpc: cometClient{HTTP: client, at: at}, wake: make(chan struct{}, 1)}, nil
}
