// Openslo reads files with OpenSLO's own reader and validator: a second opinion for tests.
//
// It prints a line for each object, and ends with 1 when a file is not what OpenSLO says.
package main

import (
	"fmt"
	"os"

	"github.com/OpenSLO/go-sdk/pkg/openslosdk"
)

func main() {
	status := 0
	for _, name := range os.Args[1:] {
		if err := check(name); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
			status = 1
		}
	}
	os.Exit(status)
}

func check(name string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	objects, err := openslosdk.Decode(file, openslosdk.FormatYAML)
	if err != nil {
		return err
	}
	if err := openslosdk.Validate(objects...); err != nil {
		return err
	}
	for _, object := range objects {
		fmt.Printf("%s %s %s\n", object.GetVersion(), object.GetKind(), object.GetName())
	}
	return nil
}
