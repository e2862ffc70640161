package tx

import (
	"crypto/sha256"
	"slices"

	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	txtypes "github.com/cosmos/cosmos-sdk/types/tx"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// oldestSearched is how many blocks back an attempt of a former process is looked
// for. The chain's state tells its effect anyway; only its failure would be missed.
const oldestSearched = 128

// digest identifies a message by its content.
type digest [sha256.Size]byte

func digestOf(message *codectypes.Any) digest {
	h := sha256.New()
	h.Write([]byte(message.TypeUrl))
	h.Write([]byte{0})
	h.Write(message.Value)
	return digest(h.Sum(nil))
}

// resume returns the attempt that a former process recorded. All that is known of
// it is the record, so it counts as sent.
func resume(rec relayer.TxAttempt, height int64) *attempt {
	return &attempt{
		rec: rec, taken: true, searched: max(rec.SentHeight-1, height-oldestSearched),
		carries: messagesOf(rec.TxBytes),
	}
}

// messagesOf returns what messages a transaction carries. Bytes that are not a
// transaction carry none, and no node takes them.
func messagesOf(txBytes []byte) map[digest]bool {
	var raw txtypes.TxRaw
	var body txtypes.TxBody
	if raw.Unmarshal(txBytes) != nil || body.Unmarshal(raw.BodyBytes) != nil {
		return nil
	}
	carried := make(map[digest]bool, len(body.Messages))
	for _, message := range body.Messages {
		carried[digestOf(message)] = true
	}
	return carried
}

// adopt takes over the attempts that a former process has made for a submission.
// Several submissions can have been in one.
func (g *signer) adopt(p *pending) {
	var resumed []*attempt
	var newest *attempt
	for _, rec := range p.sub.Prior {
		if !rec.Ordered {
			g.stamps[rec.TimeoutUnixNs] = struct{}{}
		}
		i := slices.IndexFunc(g.attempts, func(a *attempt) bool { return a.rec.Hash == rec.Hash })
		if i < 0 {
			i = len(g.attempts)
			g.attempts = append(g.attempts, resume(rec, g.height()))
			resumed = append(resumed, g.attempts[i])
		}
		a := g.attempts[i]
		a.join(p)
		// An attempt is made only when those before it cannot be included any
		// more, even if the record does not say why.
		if newest == nil || rec.SentHeight >= newest.rec.SentHeight {
			newest, a = a, newest
		}
		if a != nil && a != newest {
			a.superseded = true
		}
	}
	for _, a := range resumed {
		for _, other := range g.waiting {
			g.match(a, other)
		}
	}
	for _, a := range g.attempts {
		g.match(a, p)
	}
}

// match enters a submission in an attempt that carries its message, though the
// submission has no record of it: the disk failed between the records of two
// submissions, or the submission comes later. Where the message is under way in
// another transaction already the attempt is not sent again.
func (g *signer) match(a *attempt, p *pending) {
	switch {
	case !a.carries[p.digest] || a.has(p):
	case g.underWay(p):
		a.mute = true
	default:
		a.join(p)
		a.unrecorded = true
	}
}

// underWay reports whether a transaction with the message may still be included.
func (g *signer) underWay(p *pending) bool {
	latest := g.blocks.Latest()
	return slices.ContainsFunc(p.attempts, func(a *attempt) bool {
		return latest == nil || g.alive(a, latest)
	})
}
