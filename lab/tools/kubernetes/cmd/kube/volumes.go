package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

const provisionerName = "lab.local/directory"

// directories makes each volume a directory of the node's disk; open to all, since pods run under any user.
type directories struct{ root string }

func (d directories) Provision(_ context.Context, o controller.ProvisionOptions) (*v1.PersistentVolume, controller.ProvisioningState, error) {
	path := filepath.Join(d.root, o.PVName)
	if err := os.MkdirAll(path, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	if err := os.Chmod(path, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	return &v1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: o.PVName},
		Spec: v1.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: *o.StorageClass.ReclaimPolicy,
			AccessModes:                   o.PVC.Spec.AccessModes,
			Capacity:                      v1.ResourceList{v1.ResourceStorage: o.PVC.Spec.Resources.Requests[v1.ResourceStorage]},
			PersistentVolumeSource:        v1.PersistentVolumeSource{HostPath: &v1.HostPathVolumeSource{Path: path}},
		},
	}, controller.ProvisioningFinished, nil
}

func (d directories) Delete(_ context.Context, volume *v1.PersistentVolume) error {
	if volume.Spec.HostPath == nil || filepath.Dir(volume.Spec.HostPath.Path) != d.root {
		return fmt.Errorf("volume %s is not a directory of %s", volume.Name, d.root)
	}
	return os.RemoveAll(volume.Spec.HostPath.Path)
}

// newVolumeProvisionerCommand serves the StorageClass whose provisioner is lab.local/directory.
func newVolumeProvisionerCommand() *cobra.Command {
	var kubeconfig, root string
	command := &cobra.Command{Use: "volume-provisioner", RunE: func(c *cobra.Command, _ []string) error {
		config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
		if err != nil {
			return err
		}
		client, err := kubernetes.NewForConfig(config)
		if err != nil {
			return err
		}
		controller.NewProvisionController(c.Context(), client, provisionerName, directories{root}, controller.LeaderElection(false)).Run(c.Context())
		return nil
	}}
	command.Flags().StringVar(&kubeconfig, "kubeconfig", "", "file with the address and credentials of the API server")
	command.Flags().StringVar(&root, "root", "", "folder in which each volume becomes a directory")
	return command
}
