package pyhost

import "testing"

func TestAPackagesVersionTellsThePlugins(t *testing.T) {
	for given, wanted := range map[string]string{
		"1.2.1":             "1.2.1",
		"1":                 "1.0.0",
		"1.2":               "1.2.0",
		"1.2.3.4":           "1.2.3.4",
		"1.2.3a4":           "1.2.3-alpha.4",
		"1.2.3b4":           "1.2.3-beta.4",
		"1.2.3rc4":          "1.2.3-rc.4",
		"1.2.3.post4":       "1.2.3+post4",
		"1.2.3.dev5":        "1.2.3+dev5",
		"1.2.3rc1.post4":    "1.2.3-rc.1+post4",
		"1.2.3.post4.dev5":  "1.2.3+post4dev5",
		"0.0.22a1605583329": "0.0.22-alpha.1605583329",
	} {
		if got, err := pluginVersion(given); err != nil || got != wanted {
			t.Errorf("%s is %s (%v), want %s", given, got, err, wanted)
		}
	}
}

func TestAVersionThatTellsNoPluginsIsRefused(t *testing.T) {
	for _, given := range []string{"", "v1.2.3", "1!2.3.4", "1.2.3+local", "latest", "1.2.3é"} {
		if got, err := pluginVersion(given); err == nil {
			t.Errorf("%q became %s", given, got)
		}
	}
}
