// The program of go-redis, see `run`.
package main

import (
	"fmt"

	"gopkg.in/redis.v5"
)

var client *redis.ClusterClient

func connect(asked question) (interface{}, error) {
	if client != nil {
		client.Close()
	}
	client = redis.NewClusterClient(&redis.ClusterOptions{
		Addrs: []string{fmt.Sprintf("127.0.0.1:%d", asked.Port)},
	})
	return true, client.Ping().Err()
}

// Returns text, or nil if there is no value.
func text(reply *redis.StringCmd) interface{} {
	value, err := reply.Result()
	if err == redis.Nil {
		return nil
	}
	if err != nil {
		return failure(err)
	}
	return value
}

func get(asked question) (interface{}, error) {
	values := []interface{}{}
	for _, key := range asked.Keys {
		values = append(values, text(client.Get(key)))
	}
	return values, nil
}

func pipeline(asked question) (interface{}, error) {
	requests := client.Pipeline()
	defer requests.Close()
	replies := []*redis.StringCmd{}
	for _, key := range asked.Keys {
		replies = append(replies, requests.Get(key))
	}
	requests.Exec() // each reply has its own error
	values := []interface{}{}
	for _, reply := range replies {
		values = append(values, text(reply))
	}
	return values, nil
}

func main() {
	answer(map[string]func(question) (interface{}, error){
		"connect": connect, "get": get, "pipeline": pipeline,
	})
}
