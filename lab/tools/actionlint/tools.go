//go:build tools

// Package tools names the command that a test builds, so that go.mod and go.sum pin it.
package tools

import _ "github.com/rhysd/actionlint/cmd/actionlint"
