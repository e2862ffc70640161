package backend_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"time"

	sdktypes "github.com/pokt-network/shannon-sdk/types"
	"google.golang.org/protobuf/proto"

	"github.com/seed52205347/relayminer/pkg/relayer/backend"
	"github.com/seed52205347/relayminer/pkg/relayer/config"
)

func ExampleHTTP_Do() {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s", r.Method, r.RequestURI, body)
	}))
	defer service.Close()
	base, err := url.Parse(service.URL + "/v1/key")
	if err != nil {
		fmt.Println(err)
		return
	}
	payload, err := proto.Marshal(&sdktypes.POKTHTTPRequest{Method: "POST", Url: "/blocks?latest", BodyBz: []byte("{}")})
	if err != nil {
		fmt.Println(err)
		return
	}

	services := backend.NewHTTP(0, 1)
	defer services.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	answer, err := services.Do(ctx, &config.Backend{URL: base}, payload, nil, backend.Limits{Answer: 1 << 20, Inflated: 1 << 22})
	if err != nil {
		fmt.Println(err)
		return
	}
	response, err := sdktypes.DeserializeHTTPResponse(answer.Payload)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(answer.StatusCode, string(response.BodyBz))
	// Output:
	// 200 POST /v1/key/blocks?latest {}
}
