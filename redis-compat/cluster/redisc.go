// The program of redisc, which adds clusters to redigo, see `run`.
package main

import (
	"fmt"
	"time"

	"github.com/gomodule/redigo/redis"
	"github.com/mna/redisc"
)

var cluster *redisc.Cluster
var replicas bool

func connect(asked question) (interface{}, error) {
	if cluster != nil {
		cluster.Close()
	}
	replicas = asked.Replicas
	cluster = &redisc.Cluster{
		StartupNodes: []string{fmt.Sprintf("127.0.0.1:%d", asked.Port)},
		CreatePool: func(address string, options ...redis.DialOption) (*redis.Pool, error) {
			return &redis.Pool{
				MaxIdle: 4,
				Dial:    func() (redis.Conn, error) { return redis.Dial("tcp", address, options...) },
			}, nil
		},
	}
	return true, cluster.Refresh()
}

// Returns text, or nil if there is no value.
func text(reply interface{}, err error) (interface{}, error) {
	if reply == nil || err != nil {
		return nil, err
	}
	return string(reply.([]byte)), nil
}

// Sends a request to the node of its first key, and follows MOVED and ASK.
func do(command string, words ...interface{}) (interface{}, error) {
	conn := cluster.Get()
	defer conn.Close()
	if replicas {
		if err := redisc.ReadOnlyConn(conn); err != nil {
			return nil, err
		}
	}
	conn, err := redisc.RetryConn(conn, 3, time.Millisecond)
	if err != nil {
		return nil, err
	}
	return conn.Do(command, words...)
}

func get(asked question) (interface{}, error) {
	values := []interface{}{}
	for _, key := range asked.Keys {
		value, err := text(do("GET", key))
		if err != nil {
			value = failure(err)
		}
		values = append(values, value)
	}
	return values, nil
}

// Sends requests to the node of the first key.
func pipeline(asked question) (interface{}, error) {
	conn := cluster.Get()
	defer conn.Close()
	if err := redisc.BindConn(conn, asked.Keys[0]); err != nil {
		return nil, err
	}
	for _, key := range asked.Keys {
		if err := conn.Send("GET", key); err != nil {
			return nil, err
		}
	}
	if err := conn.Flush(); err != nil {
		return nil, err
	}
	values := []interface{}{}
	for range asked.Keys {
		value, err := text(conn.Receive())
		if err != nil {
			value = failure(err)
		}
		values = append(values, value)
	}
	return values, nil
}

func multiple(keys []string) ([]interface{}, error) {
	replies, err := redis.Values(do("MGET", redis.Args{}.AddFlat(keys)...))
	if err != nil {
		return nil, err
	}
	for i, reply := range replies {
		if replies[i], err = text(reply, nil); err != nil {
			return nil, err
		}
	}
	return replies, nil
}

// redisc divides keys by slot. The caller sends an MGET for each slot.
func mget(asked question) (interface{}, error) {
	found := map[string]interface{}{}
	for _, keys := range redisc.SplitBySlot(asked.Keys...) {
		values, err := multiple(keys)
		if err != nil {
			return nil, err
		}
		for i, key := range keys {
			found[key] = values[i]
		}
	}
	values := []interface{}{}
	for _, key := range asked.Keys {
		values = append(values, found[key])
	}
	return values, nil
}

func main() {
	answer(map[string]func(question) (interface{}, error){
		"connect": connect, "get": get, "pipeline": pipeline, "mget": mget,
		"request": func(asked question) (interface{}, error) { return multiple(asked.Keys) },
	})
}
