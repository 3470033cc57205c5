// The program of redigo, see `run`. Its pool calls a function of the program to connect, which
// tries one address after the other.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/gomodule/redigo/redis"
)

var failed int

func dial() (redis.Conn, error) {
	var conn redis.Conn
	var err error
	for _, port := range os.Args[1:] {
		conn, err = redis.Dial("tcp", "127.0.0.1:"+port, redis.DialConnectTimeout(time.Second),
			redis.DialReadTimeout(time.Second), redis.DialWriteTimeout(time.Second))
		if err != nil {
			continue
		}
		// A server that stands still accepts connections, but does not answer.
		if _, err = conn.Do("PING"); err == nil {
			return conn, nil
		}
		conn.Close()
	}
	return nil, err
}

func get(pool *redis.Pool, key string, tries int) string {
	conn := pool.Get()
	defer conn.Close() // gives it back, or drops it after an error
	value, err := redis.String(conn.Do("GET", key))
	if err == nil {
		return value
	}
	failed++
	if tries == 1 {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return get(pool, key, tries-1)
}

func main() {
	pool := &redis.Pool{MaxIdle: 1, Dial: dial}
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var question struct{ Keys []string }
		if json.Unmarshal(line, &question) != nil {
			os.Exit(1)
		}
		failed = 0
		values := []string{}
		for _, key := range question.Keys {
			values = append(values, get(pool, key, 20))
		}
		text, _ := json.Marshal([]interface{}{values, failed})
		fmt.Println(string(text))
	}
}
