// test/command/programs/listen.go: net/http at the listener that is open as
// descriptor 3.  All of a Go program waits in a call that does.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"syscall"
)

func main() {
	syscall.SetNonblock(3, true)
	listener, err := net.FileListener(os.NewFile(3, ""))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Go has %s", r.URL.Path)
	}))
}
