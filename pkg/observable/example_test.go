package observable_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/seed52205347/relayminer/pkg/observable"
)

func Example() {
	source := observable.NewSource[string](observable.WithName("words"))
	lengths := observable.Map(source, func(_ context.Context, word string) (int, error) {
		if word == "" {
			return 0, errors.New("empty word")
		}
		return len(word), nil
	}, observable.WithName("length"), observable.WithErrorHandler(func(name string, item any, err error) {
		fmt.Printf("%s: item %q: %v\n", name, item, err)
	}), observable.WithBuffer(0))
	done := observable.ForEach(lengths, func(_ context.Context, n int) error {
		fmt.Println(n)
		return nil
	})

	if err := source.Publish(context.Background(), ""); err != nil {
		fmt.Println(err)
	}
	for _, word := range strings.Fields("claims and proofs") {
		if err := source.Publish(context.Background(), word); err != nil {
			fmt.Println(err)
		}
	}
	source.Close()
	<-done // all words have been handled
	fmt.Println(source.Publish(context.Background(), "late"))
	// Output:
	// length: item "": empty word
	// 6
	// 3
	// 6
	// publish to "words": observable is closed
}

func ExampleReplay() {
	heights := observable.NewReplay[int](2)
	for height := range 5 {
		if err := heights.Publish(context.Background(), height); err != nil {
			fmt.Println(err)
		}
	}

	values, unsubscribe := heights.Subscribe(observable.WithBuffer(8), observable.WithOverflow(observable.DropOldest))
	defer unsubscribe()
	done := observable.ForEach(values, func(_ context.Context, height int) error {
		fmt.Println("subscriber:", height)
		return nil
	})
	heights.Close()
	<-done

	last, err := heights.Last(context.Background(), 1)
	fmt.Println("last:", last, err)
	// Output:
	// subscriber: 3
	// subscriber: 4
	// last: [4] <nil>
}
