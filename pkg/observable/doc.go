// Package observable carries typed values from the part of a program that
// produces them to the parts that work on them, over github.com/reactivex/rxgo/v2.
//
// A pipeline begins at a Source, where values are published, or at a
// subscription to a Replay, which has many subscribers. It goes on through
// stages (Map, MapExpand, Filter, Batch, Shard, Merge) and ends in ForEach:
//
//	source := observable.NewSource[*Relay]()
//	mined := observable.Map(source, mine)
//	done := observable.ForEach(mined, store)
//	...
//	source.Close()
//	<-done // every relay that was accepted has been stored
//
// # The one idea
//
// The life of a stream and the life of the work on its values are two things.
// A stream ends in one way only: its source is closed, intake stops, everything
// that was accepted drains through all stages, and the done channel of ForEach
// closes last. The context that the stages' functions are given (WithContext)
// bounds their work and nothing else: when it is cancelled the functions fail
// and their items are reported as failed, but no item disappears uncounted.
// That is why no context is ever handed to an rxgo operator: rxgo drops what
// is in flight when a context is cancelled, or forgets the context half way.
//
// # Invariants
//
//   - A stream has exactly one consumer. A second one panics while the pipeline
//     is wired, since rxgo would silently split the items between the two.
//   - A stage without a consumer runs nothing: goroutines begin when ForEach
//     (or a consumer of the raw rxgo stream) is attached at the end.
//   - Every queue is bounded. A full queue makes its stage wait, the stages
//     before it in turn, and in the end the publisher, which is the only place
//     where a value can be refused; a subscriber of a Replay may choose to
//     lose values instead, and counts them.
//   - A function that fails or panics costs its own item only. The item is
//     counted, reported to the error handler together with the error, and not
//     seen by any later stage.
//   - For each stage the counters balance: everything that went in came out,
//     failed, panicked, or was rejected by the filter. See Stats.
//   - When all sources are closed and all done channels are closed, no goroutine
//     of the pipeline is left.
//
// # What is left to others
//
// Which goroutine publishes, what is done with a failed item, and the order in
// which sources are closed: upstream first, awaiting each done channel, and
// only then cancelling the contexts of the work. A function given to a stage
// must not call runtime.Goexit (which is what FailNow of package testing does);
// it would end the stage's goroutine and nothing could be done about it.
//
// # Cost
//
// A value is boxed in an interface on its way through rxgo. For pointers that
// is free; other values cost one allocation each per Map, so T should be a
// pointer. Stages whose work takes less than the hand-over itself (about 0.1
// microseconds) are better batched.
package observable
