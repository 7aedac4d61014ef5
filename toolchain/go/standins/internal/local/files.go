package local

import (
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/gobwas/glob"
	"github.com/pulumi/pulumi-go-provider/infer/types"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// rule is one entry of assetPaths or archivePaths.
type rule struct {
	glob    glob.Glob
	exclude bool
}

func parseRules(patterns []string) ([]rule, error) {
	rules := make([]rule, 0, len(patterns))
	for _, pattern := range patterns {
		text, exclude := strings.CutPrefix(pattern, "!")
		compiled, err := glob.Compile(text, '/')
		if err != nil {
			return nil, err
		}
		rules = append(rules, rule{compiled, exclude})
	}
	return rules, nil
}

// selects tells whether a file is taken: the last rule that matches it decides.
func selects(rules []rule, file string) bool {
	selected := false
	for _, rule := range rules {
		if rule.glob.Match(file) {
			selected = !rule.exclude
		}
	}
	return selected
}

// matchingFiles reads the files below dir that the patterns select, by their path relative to dir.
func matchingFiles(dir string, patterns []string) (map[string]*resource.Asset, error) {
	rules, err := parseRules(patterns)
	if err != nil {
		return nil, err
	}
	files := map[string]*resource.Asset{}
	err = fs.WalkDir(os.DirFS(dir), ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !selects(rules, file) {
			return err
		}
		asset, err := resource.NewPathAsset(path.Join(dir, file))
		files[file] = asset
		return err
	})
	return files, err
}

// collectFiles sets result's assets and archive where the inputs ask for them.
func collectFiles(dir string, process Process, result *Result) error {
	if process.AssetPaths != nil {
		files, err := matchingFiles(dir, *process.AssetPaths)
		if err != nil {
			return err
		}
		assets := make(map[string]*types.AssetOrArchive, len(files))
		for file, asset := range files {
			assets[file] = &types.AssetOrArchive{Asset: asset}
		}
		result.Assets = &assets
	}
	if process.ArchivePaths != nil {
		files, err := matchingFiles(dir, *process.ArchivePaths)
		if err != nil {
			return err
		}
		members := make(map[string]any, len(files))
		for file, asset := range files {
			members[file] = asset
		}
		archive, err := resource.NewAssetArchive(members)
		if err != nil {
			return err
		}
		result.Archive = archive
	}
	return nil
}
