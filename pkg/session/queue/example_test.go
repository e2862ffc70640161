package queue_test

import (
	"context"
	"fmt"

	"github.com/seed52205347/relayminer/pkg/session/queue"
)

// sessions stands for what is on disk.
type sessions struct{}

func (sessions) Waiting(context.Context, int, func(string) bool) ([]queue.Item[string], error) {
	return []queue.Item[string]{
		{Key: "claim/s1", Priority: queue.Priority{Duty: queue.Claim, Deadline: 1206, Reward: 900}, Payload: "s1"},
	}, nil
}

func Example() {
	q, err := queue.New(1024, sessions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	q.Add(queue.Item[string]{Key: "settle/s3", Payload: "s3"})
	q.Add(queue.Item[string]{
		Key:      "prove/s2",
		Priority: queue.Priority{Duty: queue.RequiredProof, Deadline: 1210},
		Payload:  "s2",
	})

	ctx, cancel := context.WithCancel(context.Background())
	err = q.Work(ctx, func(_ context.Context, item queue.Item[string]) (retryAt int64) {
		fmt.Println(item.Duty, item.Payload)
		if item.Duty == queue.Other {
			cancel()
		}
		return 0
	}, func(err error) { fmt.Println(err) })
	fmt.Println(err)
	// Output:
	// required_proof s2
	// claim s1
	// other s3
	// context canceled
}
