// The registry of the Distribution project, with a directory as its store and htpasswd as its guard: what a test needs of one.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"github.com/distribution/distribution/v3/registry"
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
	"github.com/spf13/cobra"
	"golang.org/x/crypto/bcrypt"
)

// htpasswd prints a line for an htpasswd file; the password comes on standard input, never in an argument.
var htpasswd = &cobra.Command{
	Use:  "htpasswd USER",
	Args: cobra.ExactArgs(1),
	RunE: func(command *cobra.Command, args []string) error {
		password, err := bufio.NewReader(os.Stdin).ReadString('\n')
		if err != nil {
			return err
		}
		hash, err := bcrypt.GenerateFromPassword([]byte(strings.TrimSuffix(password, "\n")), bcrypt.MinCost)
		if err != nil {
			return err
		}
		fmt.Printf("%s:%s\n", args[0], hash)
		return nil
	},
}

func main() {
	registry.RootCmd.AddCommand(htpasswd)
	if err := registry.RootCmd.Execute(); err != nil {
		os.Exit(1)
	}
}
