// Signals that interrupt Go code which calls C: Go's handlers check that they run on the stack they ask for.
package main

/*
#include <stdlib.h>
static void *grab(int bytes) { return malloc(bytes); }
*/
import "C"

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, syscall.SIGUSR1)
	for i := 0; i < 4; i++ {
		go func() { // never calls anything that lets the scheduler in: it is interrupted by a signal
			for n := 0; ; n++ {
				if n%1000000 == 0 {
					C.free(C.grab(10))
				}
			}
		}()
	}
	for i := 0; i < 20; i++ {
		syscall.Kill(os.Getpid(), syscall.SIGUSR1)
		<-heard
		time.Sleep(5 * time.Millisecond)
	}
	fmt.Println("20 heard")
}
