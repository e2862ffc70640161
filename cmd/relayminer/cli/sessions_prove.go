package cli

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed52205347/relayminer/pkg/admin"
	"github.com/seed52205347/relayminer/pkg/session"
)

func newSessionsProveCommand(at *location) *cobra.Command {
	var supplier, path string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "prove ID --path HEX",
		Short: "Make the proof for any path and verify it",
		Long: `Make the proof of the relay that is closest to a path, as the chain would ask for
it, and verify it against the session's root. The session must have a root. Its
own proof, which the chain is sent or was sent, is not touched.`,
		Args: nameArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			wanted, err := parsePath(path)
			if err != nil {
				return err
			}
			return at.use(cmd.Context(), toRead, func(sessions admin.Sessions, _ string) error {
				proof, err := sessions.Prove(cmd.Context(), session.Name{ID: args[0], Supplier: supplier}, wanted)
				if err != nil {
					return err
				}
				if err := proof.Check(); err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), proof)
				}
				return printProof(cmd.OutOrStdout(), proof)
			})
		},
	}
	f := cmd.Flags()
	supplierFlag(f, &supplier)
	f.StringVar(&path, "path", "", "path to prove: 32 bytes in hex (required)")
	f.BoolVar(&asJSON, "json", false, "print one JSON object, with the proof as it would be sent in base64")
	return cmd
}

// parsePath reads a path of 32 bytes.
func parsePath(text string) ([]byte, error) {
	if text == "" {
		return nil, errors.New("--path is not set: give the path to prove, 32 bytes in hex")
	}
	path, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
	if err != nil || len(path) != 32 {
		return nil, fmt.Errorf("--path: %q is not 32 bytes in hex", text)
	}
	return path, nil
}

func printProof(out io.Writer, p *session.Proof) error {
	f := &fields{}
	f.add("session", p.SessionID)
	f.add("supplier", p.Supplier)
	f.add("root", p.Root)
	f.add("path", p.Path)
	f.add("closest leaf", p.ClosestPath)
	f.add("relay", fmt.Sprintf("%d bytes, %s", p.RelayBytes, counted(p.ComputeUnits, "compute unit", "compute units")))
	f.add("proof", fmt.Sprintf("%d bytes, %s above the leaf", len(p.Proof), counted(uint64(p.Depth), "node", "nodes")))
	f.add("verified", "yes")
	return f.write(out)
}
