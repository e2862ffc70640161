// Package async keeps track of goroutines.
//
// A component that starts goroutines owns a Group and starts all of them
// through it. That is the whole idea: since every goroutine has a name and a
// group, stopping a component is to cancel the group's context and to wait for
// what runs, and a stop that does not come to its end can say which goroutines
// hold it up.
//
// Invariants:
//
//   - After Stop was called no goroutine is started any more; Go says so with
//     ErrStopped.
//   - When Stop or Wait returns nil, every goroutine of the group has returned
//     and its failure, if any, has been given to the OnFailure callback.
//   - No function run by a group takes the process down: a panic becomes a
//     *PanicError, a call of runtime.Goexit becomes ErrExited.
//
// A goroutine that fails is noted and reported but does not stop its group:
// whether one failure ends the component or not is for the component to decide,
// in OnFailure. Supervise restarts a function that fails, a bounded number of
// times, before it becomes such a failure.
//
// Each does many things a few at a time and waits for them; Sleep is a wait that a
// context can end.
//
// A function that ignores its context cannot be ended from outside; the group
// names it and goes on counting it until it returns.
package async
