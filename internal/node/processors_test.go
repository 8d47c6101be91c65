package node

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func TestQuota(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  bool
	}{
		"no control groups":    {nil, false},
		"none":                 {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, false},
		"half of one":          {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"}, true},
		"all":                  {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "400000 100000\n"}, false},
		"almost all":           {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "399000 100000\n"}, true},
		"of a parent":          {map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "max 100000", "sys/fs/cgroup/a/cpu.max": "100000 100000"}, true},
		"a folder of the host": {map[string]string{"proc/self/cgroup": "0::/docker/x\n", "sys/fs/cgroup/cpu.max": "100000 100000"}, true},
		"version 1":            {map[string]string{"proc/self/cgroup": "5:cpu,cpuacct:/x\n1:name=systemd:/x\n", "sys/fs/cgroup/cpu/x/cpu.cfs_quota_us": "150000", "sys/fs/cgroup/cpu/x/cpu.cfs_period_us": "100000"}, true},
		"version 1, none":      {map[string]string{"proc/self/cgroup": "5:cpu,cpuacct:/\n", "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}, false},
		"another controller":   {map[string]string{"proc/self/cgroup": "5:cpuset:/\n", "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "1000", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}, false},
		"damaged":              {map[string]string{"proc/self/cgroup": "0:\n::\n0::/../..\n", "sys/fs/cgroup/cpu.max": "many 0"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for file, text := range c.files {
				file = filepath.Join(root, file)
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got := quota(root, 4); got != c.want {
				t.Errorf("a quota of less than four processors: %v, want %v", got, c.want)
			}
		})
	}
}

func TestWiden(t *testing.T) {
	t.Setenv("GOMAXPROCS", "")
	if quota("/", runtime.NumCPU()) {
		t.Skip("a control group has a quota of less than all processors")
	}
	before := runtime.GOMAXPROCS(0)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	runtime.SetDefaultGOMAXPROCS()
	n := runtime.GOMAXPROCS(0)
	widen(true)
	widen(true)
	if got := runtime.GOMAXPROCS(0); got != 2*n {
		t.Errorf("wide: %d threads; want %d", got, 2*n)
	}
	widen(false)
	if got := runtime.GOMAXPROCS(0); got != n {
		t.Errorf("narrow again: %d threads; want %d", got, n)
	}
	widen(true)
	t.Setenv("GOMAXPROCS", "1") // as a quota that comes meanwhile
	widen(false)
	if got := runtime.GOMAXPROCS(0); got != n {
		t.Errorf("narrow once more, where it could not become wide: %d threads; want %d", got, n)
	}
	widen(true)
	if got := runtime.GOMAXPROCS(0); got != n {
		t.Errorf("with GOMAXPROCS set: %d threads; want %d", got, n)
	}
}
