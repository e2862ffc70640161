package async_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed52205347/relayminer/pkg/async"
)

func ExampleGroup() {
	g := async.NewGroup(context.Background(), async.OnFailure(func(name string, err error) {
		fmt.Println("failed:", name, err)
	}))

	if err := g.Go("probe", func(context.Context) error { return errors.New("no answer") }); err != nil {
		fmt.Println(err)
	}
	if err := g.Wait(context.Background()); err != nil {
		fmt.Println(err)
	}

	if err := g.Go("listener", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }); err != nil {
		fmt.Println(err)
	}
	fmt.Println("running:", g.List())
	fmt.Println("stop:", g.Stop(context.Background()))
	fmt.Println(g.Go("late", func(context.Context) error { return nil }))
	// Output:
	// failed: probe no answer
	// running: [listener]
	// stop: <nil>
	// start goroutine "late": group is stopped
}

func ExampleGroup_Supervise() {
	g := async.NewGroup(context.Background())
	restart := async.Restart{Attempts: 3, First: time.Millisecond}
	if err := g.Supervise("feed", restart, func(context.Context) error { return errors.New("connection lost") }); err != nil {
		fmt.Println(err)
	}
	if err := g.Wait(context.Background()); err != nil {
		fmt.Println(err)
	}
	fmt.Println(g.Err())
	// Output:
	// goroutine "feed": feed failed 3 times in a row, last: connection lost
}
