package admin_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/seed52205347/relayminer/pkg/admin"
	"github.com/seed52205347/relayminer/pkg/session"
	"github.com/seed52205347/relayminer/pkg/session/store"
)

// A relay miner answers at the socket in its home, and a command asks it.
func Example() {
	home, err := os.MkdirTemp("", "admin")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(home) }()
	st, err := store.Open(home+"/smt", store.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	server, err := admin.Start(home, home+"/smt", session.NewInspector(st), slog.New(slog.DiscardHandler))
	if err != nil {
		fmt.Println(err)
		return
	}

	client, err := admin.Dial(context.Background(), home)
	if err != nil {
		fmt.Println(err)
		return
	}
	list, err := client.List(context.Background(), session.Filter{})
	fmt.Println(len(list), err)
	_, err = client.Show(context.Background(), session.Name{ID: "c1112e5a"})
	fmt.Println(err)
	client.Close()

	fmt.Println(server.Stop(context.Background()), st.Close(context.Background()))
	// Output:
	// 0 <nil>
	// no such session: c1112e5a
	// <nil> <nil>
}
