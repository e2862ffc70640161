// Package child runs a program as a process of its own, which tests can signal
// and kill as an operator or an operating system would.
//
// The program says that it serves by writing a line to its standard output. Its
// standard input is a pipe whose other end the parent holds: it ends when the
// parent has ended, however that came about, so that a child that reads it can
// end too. The process has a process group of its own: an interrupt that a
// terminal sends to the parent does not reach it.
//
// What holds: a process that was started is awaited, Ended is closed once it has
// ended, and Kill and Stop tell an end that they brought about from any other.
package child
