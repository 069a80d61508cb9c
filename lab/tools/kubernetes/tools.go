//go:build tools

// Package tools names the commands that the lab builds, so that go.mod and go.sum pin them.
package tools

import (
	_ "github.com/mikefarah/yq/v4"
	_ "helm.sh/helm/v3/cmd/helm"
	_ "k8s.io/kubernetes/cmd/kube-apiserver/app"
)
