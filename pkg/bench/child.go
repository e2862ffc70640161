package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"

	"github.com/seed52205347/relayminer/pkg/async"
	"github.com/seed52205347/relayminer/pkg/relayer/client"
)

// command is what the child process is told, one to a line. Exactly one field is set.
type command struct {
	Plan *Plan `json:",omitempty"` // the first command
	Sign int   `json:",omitempty"` // that many more requests
	Run  *Run  `json:",omitempty"`
	Stop bool  `json:",omitempty"` // end what is being done; there is no reply to this
}

// event is what the child process tells, one to a line. Each command ends with one that
// is Done or has an Error.
type event struct {
	Service string  `json:",omitempty"` // host and port, in the reply to the plan
	Signed  int     `json:",omitempty"` // so far
	Result  *Result `json:",omitempty"`
	Done    bool    `json:",omitempty"`
	Error   string  `json:",omitempty"`
}

// generator is what runs in the child process.
type generator struct {
	service *Service
	corpus  *corpus
	signed  int      // requests made so far
	unsent  [][]byte // the last of them
}

// ServeLoad runs a service whose answers have the given number of bytes, and sends
// load as the commands on in say, until that ends.
func ServeLoad(ctx context.Context, in io.Reader, out io.Writer, answerBytes int) (err error) {
	service, err := StartService(ctx, answerBytes)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, service.Stop(context.WithoutCancel(ctx))) }()
	g := &generator{service: service}
	commands := make(chan command)
	stops := make(chan struct{}, 1)
	group := async.NewGroup(ctx)
	if err := group.Go("read commands", func(context.Context) error { return readCommands(in, commands, stops) }); err != nil {
		return err
	}
	encoder := json.NewEncoder(out)
	for c := range commands { // closed when in has ended
		if err := g.obey(ctx, c, stops, encoder); err != nil {
			return err
		}
	}
	return errors.Join(group.Wait(ctx), group.Err())
}

// readCommands passes on the commands, and tells of stops beside them, since a command
// is being obeyed then. It closes commands at the end.
func readCommands(in io.Reader, commands chan<- command, stops chan<- struct{}) error {
	defer close(commands)
	decoder := json.NewDecoder(in)
	for {
		var c command
		switch err := decoder.Decode(&c); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("commands: %w", err)
		}
		if !c.Stop {
			commands <- c
			continue
		}
		select {
		case stops <- struct{}{}:
		default:
		}
	}
}

// obey does what the command says and tells of it.
func (g *generator) obey(ctx context.Context, c command, stops <-chan struct{}, out *json.Encoder) error {
	ctx, cancel := context.WithCancel(ctx)
	group := async.NewGroup(ctx)
	select {
	case <-stops: // was for the command before
	default:
	}
	events := make(chan event)
	err := errors.Join(
		group.Go("command", func(ctx context.Context) error {
			defer close(events)
			last := event{Done: true}
			if err := g.execute(ctx, c, &last, func(e event) { events <- e }); err != nil {
				last = event{Error: err.Error()}
			}
			events <- last
			return nil
		}),
		group.Go("stop", func(ctx context.Context) error {
			select {
			case <-stops:
				cancel()
			case <-ctx.Done():
			}
			return nil
		}),
	)
	if err == nil {
		for e := range events { // all of them, or the command would wait
			err = errors.Join(err, out.Encode(e))
		}
	}
	cancel()
	return errors.Join(err, group.Stop(context.WithoutCancel(ctx)))
}

func (g *generator) execute(ctx context.Context, c command, last *event, tell func(event)) (err error) {
	switch {
	case c.Plan != nil:
		last.Service = g.service.Address()
		g.corpus, err = newCorpus(*c.Plan)
		return err
	case g.corpus == nil:
		return errors.New("load generator: no plan")
	case c.Run != nil:
		last.Result, err = g.load(ctx, *c.Run)
		return err
	default:
		more, err := g.corpus.sign(ctx, g.signed, c.Sign, func(n int) { tell(event{Signed: n}) })
		if err != nil {
			return err
		}
		g.unsent = append(g.unsent, more...)
		g.signed += len(more)
		return nil
	}
}

// load sends load and checks some of the replies.
func (g *generator) load(ctx context.Context, run Run) (*Result, error) {
	l := &load{run: run, requests: [][]byte{post(nil)}}
	if !run.Direct {
		l.run.Limit = min(run.Limit, len(g.unsent))
		l.requests = g.unsent
	}
	if l.run.Limit == 0 || run.Connections < 1 {
		return nil, fmt.Errorf("load generator: %d requests over %d connections", l.run.Limit, run.Connections)
	}
	result, samples, err := l.start(ctx)
	if err != nil {
		return nil, err
	}
	if run.Direct {
		return result, nil
	}
	first := g.signed - len(g.unsent)
	taken := min(int(l.next.Load()), l.run.Limit)
	g.unsent = g.unsent[taken:]
	for _, s := range samples {
		if err := g.check(first+s.request, s.reply); err != nil {
			return nil, fmt.Errorf("reply to relay %d: %w", first+s.request, err)
		}
		result.Checked++
	}
	return result, nil
}

// check checks the reply to the n-th request.
func (g *generator) check(n int, reply []byte) error {
	supplier := g.corpus.supplier(n)
	_, err := client.Check(&client.Relay{
		Session:     g.corpus.session(n).Header,
		Supplier:    supplier.Address,
		SupplierKey: &secp256k1.PubKey{Key: supplier.Key},
	}, reply)
	return err
}
