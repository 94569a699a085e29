package lambda

import (
	"fmt"
	"regexp"
)

// redactor takes credentials out of texts that others wrote, before they are reported. It is the second line: the first
// is not to write them.
type redactor struct{ rules []redaction }

type redaction struct {
	find    *regexp.Regexp
	replace string
}

const redacted = "***"

func newRedactor() *redactor {
	rule := func(find, replace string) redaction { return redaction{regexp.MustCompile(find), replace} }
	return &redactor{[]redaction{
		rule(`(://[^\s/:@]*:)\S+@`, "${1}"+redacted+"@"),                                                                                          // password in a URL
		rule(`\b(fsk_[a-z2-7]{8}_)[a-z2-7]+`, "${1}"+redacted),                                                                                    // API key
		rule(`(?i)(X-Amz-(?:Security-Token|Signature|Credential)=)[^&\s"']+`, "${1}"+redacted),                                                    // signed URL, IAM token
		rule(`\b((?:AKIA|ASIA)[A-Z0-9]{4})[A-Z0-9]{12}\b`, "${1}"+redacted),                                                                       // access key
		rule(`(?i)\b(pass(?:word|wd|phrase)?|pwd|secret_?(?:access_?)?key|session_?token)(["']?\s*[=:]\s*["']?)[^\s"'&,;]+`, "${1}${2}"+redacted), // named
	}}
}

func (r *redactor) text(s string) string {
	for _, rule := range r.rules {
		s = rule.find.ReplaceAllString(s, rule.replace)
	}
	return s
}

// err is what may be said of an error. A panic tells its type alone.
func (r *redactor) err(err error) string {
	if p, ok := err.(*panicked); ok {
		return fmt.Sprintf("panic of type %s", p.value)
	}
	return r.text(err.Error())
}
