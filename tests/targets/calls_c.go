package main

/*
#include <stdlib.h>
static void *grab(size_t n) { return malloc(n); }
*/
import "C"
import "fmt"
import "unsafe"

func hold(n int) unsafe.Pointer { return C.grab(C.size_t(n)) }

func main() {
	var kept []unsafe.Pointer
	for i := 0; i < 100; i++ {
		kept = append(kept, hold(1000))
	}
	done := make(chan int)
	go func() { C.free(kept[0]); hold(5000); done <- 1 }()
	<-done
	fmt.Println(len(kept))
}
