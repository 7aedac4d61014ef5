package pyhost

import (
	"fmt"
	"regexp"
	"strings"
)

// pythonVersion is the part of PEP 440 that a plugin's version can be told from: no epoch, no local part.
var pythonVersion = regexp.MustCompile(`^(\d+(?:\.\d+)*)(?:(a|b|rc)(\d*))?(?:\.post(\d*))?(?:\.dev(\d*))?$`)

// preReleases are the semantic names of Python's pre-release letters.
var preReleases = map[string]string{"a": "alpha", "b": "beta", "rc": "rc"}

// pluginVersion turns a Python package's version into the plugin's semantic version: 1.2 is 1.2.0, 1.2.3a4 is
// 1.2.3-alpha.4, 1.2.3.post4.dev5 is 1.2.3+post4dev5.
func pluginVersion(version string) (string, error) {
	match := pythonVersion.FindStringSubmatchIndex(version)
	if match == nil {
		return "", fmt.Errorf("no plugin version follows from the package version %q", version)
	}
	group := func(n int) (string, bool) {
		if match[2*n] < 0 {
			return "", false
		}
		return version[match[2*n]:match[2*n+1]], true
	}
	release, _ := group(1)
	for strings.Count(release, ".") < 2 {
		release += ".0"
	}
	if letter, found := group(2); found {
		number, _ := group(3)
		release += "-" + preReleases[letter] + "." + number
	}
	build := ""
	if number, found := group(4); found {
		build += "post" + number
	}
	if number, found := group(5); found {
		build += "dev" + number
	}
	if build != "" {
		release += "+" + build
	}
	return release, nil
}
