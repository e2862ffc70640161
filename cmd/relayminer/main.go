// Command relayminer serves relays for Pocket Network suppliers and earns them
// their reward.
package main

import (
	"os"

	"github.com/seed52205347/relayminer/cmd/relayminer/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
