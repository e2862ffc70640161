package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"

	"github.com/seed52205347/relayminer/pkg/relayer/client"
)

func ExampleClient_Send() {
	// A relay miner that serves one relay and refuses the next.
	replies := make(chan *servicetypes.RelayResponse, 2)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		reply, err := (<-replies).Marshal()
		if err != nil {
			fmt.Println(err)
		}
		if _, err := w.Write(reply); err != nil {
			fmt.Println(err)
		}
	}))
	defer server.Close()
	answer, err := signed(answered(), "supplier")
	if err != nil {
		fmt.Println(err)
		return
	}
	replies <- answer
	replies <- &servicetypes.RelayResponse{RelayMinerError: &servicetypes.RelayMinerError{
		Codespace: "relayer_proxy", Code: 7, Message: "rate limited",
	}}

	gateway, err := newClient()
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		answer, err := gateway.Send(context.Background(), newRelay(server.URL))
		var refused *client.RefusedError
		switch {
		case errors.As(err, &refused):
			fmt.Println("refused:", refused.Reason.Message)
		case err != nil:
			fmt.Println(err)
		default:
			fmt.Println(answer.StatusCode, string(answer.BodyBz))
		}
	}
	// Output:
	// 200 {"result":"0x1"}
	// refused: rate limited
}
