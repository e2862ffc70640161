package localnet

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"testing"
	"time"
)

// echoServer answers each line with the line, until the test ends.
func echoServer(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go io.Copy(conn, conn) // ends with its connection
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		<-done
	})
	return listener.Addr().String()
}

func connect(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	t.Cleanup(func() { conn.Close() })
	return conn
}

func exchange(t *testing.T, conn net.Conn) {
	t.Helper()
	if _, err := fmt.Fprintln(conn, "hello"); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || line != "hello\n" {
		t.Fatalf("got %q (%v), want the line back", line, err)
	}
}

func TestGate_BreaksConnectionsWhenClosedAndServesAgainWhenOpened(t *testing.T) {
	listener, err := newPorts().listen("")
	if err != nil {
		t.Fatal(err)
	}
	g := newGate(listener)
	target := echoServer(t)
	for range 3 {
		if err := g.open(target); err != nil {
			t.Fatal(err)
		}
		conn := connect(t, g.addr)
		exchange(t, conn)
		g.close()
		if n, err := conn.Read(make([]byte, 1)); err == nil {
			t.Errorf("read %d bytes from a connection through a closed gate", n)
		}
		if late, err := net.Dial("tcp", g.addr); err == nil {
			late.Close()
			t.Error("the closed gate accepts connections")
		}
	}
	if len(g.conns) != 0 {
		t.Errorf("the closed gate still holds %d connections", len(g.conns))
	}
}

func TestGate_ConnectionWithoutServerIsBroken(t *testing.T) {
	ports := testPorts(t)
	listener, err := ports.listen("")
	if err != nil {
		t.Fatal(err)
	}
	nobody, err := ports.free()
	if err != nil {
		t.Fatal(err)
	}
	g := newGate(listener)
	if err := g.open(nobody); err != nil {
		t.Fatal(err)
	}
	defer g.close()
	if _, err := connect(t, g.addr).Read(make([]byte, 1)); err == nil {
		t.Error("read from a server that is not there")
	}
}

// testPorts are released at the end of the test.
func testPorts(t *testing.T) *ports {
	p := newPorts()
	t.Cleanup(func() {
		if err := p.release(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func TestPorts_TwoNetworksGetNoAddressTwice(t *testing.T) {
	networks := []*ports{testPorts(t), testPorts(t)}
	seen := make(map[string]bool)
	for i := range 400 {
		addr, err := networks[i%2].free()
		if err != nil {
			t.Fatal(err)
		}
		if seen[addr] {
			t.Fatalf("%s was handed out twice", addr)
		}
		seen[addr] = true
	}
}
