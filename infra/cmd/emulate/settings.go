package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/fastshop/pipeline/infra/deployment"
	"github.com/fastshop/pipeline/infra/deployment/cli"
)

// settings are what the flags of a command say.
type settings struct {
	state    string
	suffix   string
	endpoint string
	pulumi   string
	code     string
	config   map[string]string
	reveal   bool
	force    bool
	tied     bool
}

func stateFlags(f *flag.FlagSet, s *settings) {
	f.StringVar(&s.state, "state", ".emulate", "keep the state in this `folder`")
}

func stackFlags(f *flag.FlagSet, s *settings) {
	stateFlags(f, s)
	f.StringVar(&s.suffix, "suffix", "demo", "environment `suffix` of the stack; one state may hold several")
	f.StringVar(&s.pulumi, "pulumi", "", "`path` of the Pulumi command line (default $FASTSHOP_PULUMI, infra/bin/pulumi or PATH)")
}

func destroyFlags(f *flag.FlagSet, s *settings) {
	stackFlags(f, s)
	f.BoolVar(&s.force, "force", false, "end an emulator that up started, with all stacks of the state, however broken they are")
}

func serveFlags(f *flag.FlagSet, s *settings) {
	f.BoolVar(&s.tied, "tied", false, "end with standard input, unless that says keep first; up starts it so")
}

func outputsFlags(f *flag.FlagSet, s *settings) {
	stackFlags(f, s)
	f.BoolVar(&s.reveal, "reveal", false, "print secret outputs instead of masking them")
}

func upFlags(f *flag.FlagSet, s *settings) {
	outputsFlags(f, s)
	f.StringVar(&s.endpoint, "endpoint", "", "use the emulator at this `URL` (default: start one that runs until destroy)")
	f.StringVar(&s.code, "code", "", "`path` of the functions' archive (default: bin/fastshop-lambda.zip, from make lambda)")
	s.config = map[string]string{}
	f.Func("config", "set a stack configuration `key=value`; may be repeated", s.addConfig)
}

func (s *settings) addConfig(pair string) error {
	key, value, ok := strings.Cut(pair, "=")
	if !ok || key == "" {
		return errors.New("write it as key=value")
	}
	switch key {
	case "environmentSuffix":
		return errors.New("give the suffix by --suffix")
	case codeKey:
		return errors.New("give the archive by --code")
	}
	s.config[key] = value
	return nil
}

// codeKey is the configuration key of the functions' archive.
const codeKey = "codeArchive"

// stackFolder is the folder of one stack's state.
func (s settings) stackFolder() (string, error) {
	if !deployment.ValidSuffix(s.suffix) {
		return "", fmt.Errorf("%w: --suffix %q: use lower-case letters, digits and hyphens", errUsage, s.suffix)
	}
	folder, err := filepath.Abs(filepath.Join(s.state, stacksName, s.suffix))
	if err != nil {
		return "", fmt.Errorf("find the state: %w", err)
	}
	return folder, nil
}

// commandLine is the path of the Pulumi command line.
func (s settings) commandLine(getenv func(string) string) (string, error) {
	for _, path := range []string{s.pulumi, getenv("FASTSHOP_PULUMI")} {
		if path != "" {
			return path, nil
		}
	}
	return cli.Find("infra", ".", "..")
}

// checkConfig refuses keys that the program would ignore.
func (s settings) checkConfig(check func([]string) error) error {
	keys := make([]string, 0, len(s.config))
	for key := range s.config {
		if !strings.Contains(key, ":") {
			key = deployment.Project + ":" + key
		}
		keys = append(keys, key)
	}
	if err := check(keys); err != nil {
		return fmt.Errorf("%w: --config: %w", errUsage, err)
	}
	return nil
}

// configuration is what up sets. The archive's path is absolute, because the engine works in another folder. Without
// --code and a built archive, the program says what it misses.
func (s settings) configuration() (map[string]string, error) {
	code := s.code
	if code == "" {
		for _, built := range []string{"bin/fastshop-lambda.zip", "../bin/fastshop-lambda.zip"} {
			if _, err := os.Stat(built); err == nil {
				code = built
				break
			}
		}
	}
	if code == "" {
		return s.config, nil
	}
	if _, err := os.Stat(code); err != nil {
		return nil, fmt.Errorf("find the functions' archive (make lambda builds it): %w", err)
	}
	path, err := filepath.Abs(code)
	if err != nil {
		return nil, fmt.Errorf("find the functions' archive: %w", err)
	}
	s.config[codeKey] = path
	return s.config, nil
}
