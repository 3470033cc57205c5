// The program of redigo, see `run`.
package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"github.com/gomodule/redigo/redis"
)

func must(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	must(err)
	return n
}

// Receives one reply and returns its values: one, or as many as keys.
func receive(client redis.Conn, each int) [][]byte {
	if each == 1 {
		value, err := redis.Bytes(client.Receive())
		must(err)
		return [][]byte{value}
	}
	found, err := redis.ByteSlices(client.Receive())
	must(err)
	return found
}

func main() {
	path, address := os.Args[1], os.Args[2]
	requests, each := number(os.Args[3]), number(os.Args[4])
	data, err := os.ReadFile(path)
	must(err)
	var keys, values [][]byte
	for _, line := range bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n")) {
		keys = append(keys, line[:36])
		values = append(values, line[37:])
	}
	count := len(keys)
	network := "unix"
	if address[0] != '/' {
		network, address = "tcp", "127.0.0.1:"+address
	}
	client, err := redis.Dial(network, address)
	must(err)

	command := "MGET"
	if each == 1 {
		command = "GET"
	}
	for i := 0; i < requests; i++ {
		words := []interface{}{}
		for j := i * each; j < (i+1)*each; j++ {
			words = append(words, keys[j%count])
		}
		must(client.Send(command, words...))
	}
	must(client.Flush())
	right := 0
	for i := 0; i < requests; i++ {
		for j, value := range receive(client, each) {
			if bytes.Equal(value, values[(i*each+j)%count]) {
				right++
			}
		}
	}
	fmt.Println("right", right)
}
