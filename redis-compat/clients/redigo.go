// The program of redigo, see `run`. All requests go through a pool of connections.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/gomodule/redigo/redis"
)

type question struct {
	Do                      string
	Port                    int
	Path, User, Password    string
	Keys, Words             []string
	Match, Channel, Pattern string
	Count                   int
}

type answerer func(question) (interface{}, error)

var pool *redis.Pool

// Turns an error into an answer.
func failure(err error) interface{} {
	return map[string]string{"error": err.Error()}
}

func connect(asked question) (interface{}, error) {
	if pool != nil {
		pool.Close()
	}
	network, address := "unix", asked.Path
	if asked.Path == "" {
		network, address = "tcp", fmt.Sprintf("127.0.0.1:%d", asked.Port)
	}
	pool = &redis.Pool{
		MaxIdle:   2,
		MaxActive: 2,
		Wait:      true,
		Dial: func() (redis.Conn, error) {
			return redis.Dial(network, address, redis.DialUsername(asked.User),
				redis.DialPassword(asked.Password), redis.DialReadTimeout(15*time.Second))
		},
		// Finds out that a connection was closed since its last use.
		TestOnBorrow: func(conn redis.Conn, _ time.Time) error {
			_, err := conn.Do("PING")
			return err
		},
	}
	conn := pool.Get()
	defer conn.Close()
	reply, err := conn.Do("GET", "x")
	return reply == nil, err
}

// Returns the values with a GET for each key. A []byte becomes base64 in JSON, and nil null.
func get(conn redis.Conn, keys []string) ([]interface{}, error) {
	values := make([]interface{}, len(keys))
	for i, key := range keys {
		var err error
		if values[i], err = conn.Do("GET", key); err != nil {
			return nil, err
		}
	}
	return values, nil
}

func mget(conn redis.Conn, keys []string) ([]interface{}, error) {
	return redis.Values(conn.Do("MGET", redis.Args{}.AddFlat(keys)...))
}

func send(conn redis.Conn, keys []string) error {
	for _, key := range keys {
		if err := conn.Send("GET", key); err != nil {
			return err
		}
	}
	return nil
}

func pipeline(conn redis.Conn, keys []string) ([]interface{}, error) {
	if err := send(conn, keys); err != nil {
		return nil, err
	}
	if err := conn.Flush(); err != nil {
		return nil, err
	}
	values := make([]interface{}, len(keys))
	for i := range keys {
		var err error
		if values[i], err = conn.Receive(); err != nil {
			return nil, err
		}
	}
	return values, nil
}

func transaction(conn redis.Conn, keys []string) ([]interface{}, error) {
	if err := conn.Send("MULTI"); err != nil {
		return nil, err
	}
	if err := send(conn, keys); err != nil {
		return nil, err
	}
	return redis.Values(conn.Do("EXEC"))
}

func mixed(conn redis.Conn, keys []string) ([]interface{}, error) {
	conn.Send("GET", keys[0])
	conn.Send("SET", "a", "b")
	conn.Send("GET", keys[1])
	if err := conn.Flush(); err != nil {
		return nil, err
	}
	replies := make([]interface{}, 3)
	for i := range replies {
		reply, err := conn.Receive()
		if err != nil {
			reply = failure(err)
		}
		replies[i] = reply
	}
	return replies, nil
}

// Answers a question about keys with a connection of the pool.
func ofKeys(ask func(redis.Conn, []string) ([]interface{}, error)) answerer {
	return func(asked question) (interface{}, error) {
		conn := pool.Get()
		defer conn.Close()
		return ask(conn, asked.Keys)
	}
}

// Four goroutines share the two connections of the pool. Each takes one for each key.
func pooled(asked question) (interface{}, error) {
	values := make([]interface{}, len(asked.Keys))
	errors := make([]error, len(asked.Keys))
	var threads sync.WaitGroup
	for first := 0; first < 4; first++ {
		threads.Add(1)
		go func(first int) {
			defer threads.Done()
			for i := first; i < len(values); i += 4 {
				conn := pool.Get()
				values[i], errors[i] = conn.Do("GET", asked.Keys[i])
				conn.Close()
			}
		}(first)
	}
	threads.Wait()
	for _, err := range errors {
		if err != nil {
			return nil, err
		}
	}
	return values, nil
}

func call(asked question) (interface{}, error) {
	conn := pool.Get()
	defer conn.Close()
	reply, err := conn.Do(asked.Words[0], redis.Args{}.AddFlat(asked.Words[1:])...)
	if text, ok := reply.([]byte); ok {
		return string(text), err
	}
	return reply, err
}

func scan(asked question) (interface{}, error) {
	conn := pool.Get()
	defer conn.Close()
	found, cursor := []string{}, "0"
	for {
		replies, err := redis.Values(conn.Do("SCAN", cursor, "MATCH", asked.Match, "COUNT", asked.Count))
		if err != nil {
			return nil, err
		}
		var some []string
		if _, err := redis.Scan(replies, &cursor, &some); err != nil {
			return nil, err
		}
		found = append(found, some...)
		if cursor == "0" {
			return found, nil
		}
	}
}

func subscribe(asked question) (interface{}, error) {
	subscriber := redis.PubSubConn{Conn: pool.Get()}
	defer subscriber.Close()
	var err error
	if asked.Channel != "" {
		err = subscriber.Subscribe(asked.Channel)
	} else {
		err = subscriber.PSubscribe(asked.Pattern)
	}
	if err != nil {
		return nil, err
	}
	for {
		switch received := subscriber.Receive().(type) {
		case redis.Message:
			return []string{received.Channel, string(received.Data)}, nil
		case error:
			return nil, received
		}
	}
}

func main() {
	methods := map[string]answerer{
		"connect": connect, "get": ofKeys(get), "mget": ofKeys(mget), "pipeline": ofKeys(pipeline),
		"transaction": ofKeys(transaction), "mixed": ofKeys(mixed), "pool": pooled, "call": call,
		"scan": scan, "subscribe": subscribe,
	}
	lines := bufio.NewReader(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var asked question
		if err := json.Unmarshal(line, &asked); err != nil {
			panic(err)
		}
		said, err := methods[asked.Do](asked)
		if err != nil {
			said = failure(err)
		}
		if err := out.Encode(said); err != nil {
			panic(err)
		}
	}
}
