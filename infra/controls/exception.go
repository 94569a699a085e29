package controls

import (
	"errors"
	"fmt"
	"path"
	"time"
)

// Exception lets a control's finding stand, for a reason and with something in its place.
type Exception struct {
	// Control is the id in the catalog, Resource a pattern (path.Match) of logical names.
	Control, Resource string
	// Reason says why the requirement is not met, Compensation what stands in for it.
	Reason, Compensation string
	// Owner answers for it, and looks at it again on the day Review (2006-01-02).
	Owner, Review string
	// NotIn are patterns of the environments' suffixes for which it does not hold.
	NotIn []string
}

// Who answers for exceptions.
const (
	platform   = "platform engineering"
	protection = "data protection officer"
)

// review is when the register is gone through next.
const review = "2027-06-30"

// production are the suffixes of environments that real payments depend on.
func production() []string { return []string{"prod", "production", "prod-*"} }

// Exceptions is the register.
func Exceptions() []Exception {
	unused := func(control, what string) Exception {
		return Exception{control, "vpc-*", "the stack uses no " + what + ": an endpoint costs about USD 15 a month and would carry nothing",
			"no function may call it: security groups and roles leave it out", platform, review, nil}
	}
	return []Exception{
		{"RDS.8", "rds-*", "the whole stack must be destroyable, and deletion protection forbids it",
			"backups for seven days at least, a subscription to the instance's deletion and failure events, and no role of the stack may delete the instance", platform, review, nil},
		{"DynamoDB.6", "customer-keys-*", "the whole stack must be destroyable, and deletion protection forbids it",
			"recovery to a point in time, a backup of the deleted table that DynamoDB makes and keeps for 35 days (it is of use as long as the keys are there: for seven days, if the whole stack went), and no role of the stack may delete the table", platform, review, nil},
		{"KMS.3", "*-key-*", "destroying the stack erases the customers' data by destroying their keys, and with them the use of what AWS keeps longer, such as the key table's last backup (35 days); AWS's text exempts deliberate cryptographic erasure",
			"seven days in which a key can be brought back, and the data with it, and an administration statement that leaves a trace in CloudTrail", protection, review, nil},
		{"RDS.5", "rds-*", "an environment without real payments may do with one zone, at half the price",
			"backups for seven days at least; not in production, where the component refuses it", platform, review, production()},
		{"CKV_AWS_115", "*-function-*", "a new AWS account may have only ten executions at once and refuses any reserve (arguments of -1)",
			"the account's own limit bounds all functions together; not in production, where the limit is raised first", platform, review, production()},
		{"CKV_AWS_116", "admin-function-*", "what it does by the clock comes again by itself, and people wait for its answer: in the queue a failed check would hide the batches that somebody must carry",
			"alarms on each failed run and on runs that could not be started, and the log", platform, review, nil},
		{"CKV_AWS_272", "*-function-*", "code signing needs a signing profile that lives longer than any stack",
			"the archive is built reproducibly and its SHA-256 is an output, so what runs can be compared with what was built", platform, review, nil},
		{"EC2.10", "vpc-*", "no function calls the EC2 API: Lambda makes the network interfaces from outside the VPC",
			"security groups let functions out on 443 alone, or to the stack's endpoints alone", platform, review, nil},
		unused("EC2.55", "container registry"), unused("EC2.56", "container registry"), unused("EC2.57", "Systems Manager"),
		unused("EC2.58", "Incident Manager"), unused("EC2.60", "Incident Manager"),
	}
}

// Check reports what is missing from an exception: each must be able to answer for itself.
func (e Exception) Check() error {
	var faults []error
	for field, value := range map[string]string{
		"control": e.Control, "resource": e.Resource, "reason": e.Reason, "compensation": e.Compensation, "owner": e.Owner,
	} {
		if value == "" {
			faults = append(faults, fmt.Errorf("state the %s", field))
		}
	}
	if _, err := path.Match(e.Resource, ""); err != nil {
		faults = append(faults, fmt.Errorf("correct the resource pattern %q: %w", e.Resource, err))
	}
	if _, err := time.Parse(time.DateOnly, e.Review); err != nil {
		faults = append(faults, fmt.Errorf("write the review date as 2006-01-02: %w", err))
	}
	if err := errors.Join(faults...); err != nil {
		return fmt.Errorf("exception to %q: %w", e.Control, err)
	}
	return nil
}
