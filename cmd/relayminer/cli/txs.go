package cli

import (
	"fmt"
	"io"
	"math"

	"github.com/spf13/cobra"

	"github.com/seed52205347/relayminer/pkg/admin"
	"github.com/seed52205347/relayminer/pkg/session"
)

// txsFlags are the flags of the txs command.
type txsFlags struct {
	at     location
	filter session.TxFilter
	full   bool
	json   bool
}

func newTxsCommand() *cobra.Command {
	var flags txsFlags
	cmd := &cobra.Command{
		Use:   "txs",
		Short: "List the transactions that carried claims and proofs",
		Long: `List the transactions that carried claims and proofs, as the sessions' records tell
them, newest last: of a relay miner that is running, which is asked through the
socket in its --home directory, or of one that is stopped, whose store is opened.

FEE is that of the whole transaction, however many messages it carries. SENT is the
newest block when it was sent first, TIMEOUT the last block that can include it. A
transaction is open while it can still be included, and over when it cannot any
more and was not seen in a block. Of a relay miner that is stopped, that is said as
of the newest block that its records name.

With --json, one JSON object is printed for each transaction, one to a line, with
everything in full.`,
		Example: `  relayminer txs --open
  relayminer txs --session c1112e5a --config relayminer.yaml`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return flags.run(cmd) },
	}
	f := cmd.Flags()
	flags.at.register(f)
	f.StringVar(&flags.filter.Supplier, "supplier", "", "only those of this supplier: operator address, or the beginning of it")
	f.StringVar(&flags.filter.Session, "session", "", "only those for this session: its id, or the beginning of it")
	f.BoolVar(&flags.filter.Open, "open", false, "only those that can still be included")
	f.BoolVar(&flags.full, "full", false, "print ids, addresses and hashes in full")
	f.BoolVar(&flags.json, "json", false, "print JSON lines")
	return cmd
}

func (f *txsFlags) run(cmd *cobra.Command) error {
	return f.at.use(cmd.Context(), toRead, func(sessions admin.Sessions, where string) error {
		list, err := sessions.Transactions(cmd.Context(), f.filter)
		if err != nil {
			return err
		}
		for _, problem := range list.Problems {
			fmt.Fprintln(cmd.ErrOrStderr(), problem)
		}
		if f.json {
			return printLines(cmd.OutOrStdout(), list.Transactions)
		}
		if len(list.Transactions) == 0 {
			fmt.Fprintf(cmd.ErrOrStderr(), "no such transactions in the relay store %s\n", where)
			return nil
		}
		return f.print(cmd.OutOrStdout(), list.Transactions)
	})
}

// print prints the table.
func (f *txsFlags) print(out io.Writer, txs []session.Tx) error {
	t := table{columns: []column{
		{title: "SENT", right: true}, {title: "KIND"}, {title: "SUPPLIER"}, {title: "SESSION"}, {title: "TX"},
		{title: "MESSAGES", right: true}, {title: "FEE", right: true}, {title: "TIMEOUT", right: true},
		{title: "INCLUDED", right: true}, {title: "STATE"},
	}}
	ids, addresses, hashes := f.shorteners(txs)
	for n := range txs {
		tx := &txs[n]
		t.add(height(tx.SentHeight), string(tx.Kind), addresses.short(tx.Supplier), sessionsOf(tx, ids), hashes.short(tx.Hash),
			fmt.Sprint(tx.Messages), upokt(&tx.FeeUpokt), height(tx.TimeoutHeight), height(tx.Included), txState(tx))
	}
	return t.write(out, "")
}

// shorteners return how ids, addresses and hashes are cut.
func (f *txsFlags) shorteners(txs []session.Tx) (ids, addresses, hashes shortener) {
	if f.full {
		return math.MaxInt, math.MaxInt, math.MaxInt
	}
	var idNames, addressNames, hashNames []string
	for n := range txs {
		idNames = append(idNames, txs[n].Sessions...)
		addressNames = append(addressNames, txs[n].Supplier)
		hashNames = append(hashNames, txs[n].Hash)
	}
	return newShortener(minID, idNames), newShortener(minAddress, addressNames), newShortener(minHash, hashNames)
}

// minHash is what hashes are cut to at least.
const minHash = 12

// sessionsOf names the first session of a transaction and how many more there are.
func sessionsOf(tx *session.Tx, ids shortener) string {
	first := ids.short(tx.Sessions[0])
	if more := len(tx.Sessions) - 1; more > 0 {
		return fmt.Sprintf("%s +%d", first, more)
	}
	return first
}

// txState says what became of a transaction, and why.
func txState(tx *session.Tx) string {
	if tx.Code == 0 {
		return string(tx.State)
	}
	return fmt.Sprintf("%s: %s %d: %s", tx.State, tx.Codespace, tx.Code, tx.Error)
}
