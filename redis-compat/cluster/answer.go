// What the programs in Go share, see `run`.
package main

import (
	"bufio"
	"encoding/json"
	"os"
)

type question struct {
	Do       string
	Port     int
	Keys     []string
	Replicas bool
}

// Turns an error into an answer.
func failure(err error) interface{} {
	return map[string]string{"error": err.Error()}
}

// Answers the lines of standard input, one after the other.
func answer(methods map[string]func(question) (interface{}, error)) {
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
