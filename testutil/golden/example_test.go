package golden_test

import (
	"fmt"

	"github.com/seed52205347/relayminer/testutil/golden"
)

func ExampleSessions() {
	sessions, err := golden.Sessions()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range sessions {
		fmt.Println(s.Name, s.Header.ServiceId, s.Header.SessionEndBlockHeight, len(s.Relays), s.ProofVerdict)
	}
	// Output:
	// session-1 static 2980 1 valid
	// session-2 static 2990 2 valid
	// session-3 static 3000 3 valid
	// session-57 static 3010 57 valid
}
