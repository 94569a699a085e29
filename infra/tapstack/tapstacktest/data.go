package tapstacktest

import (
	"errors"
	"fmt"
	"strings"
)

func dataKinds() map[string]kind {
	return map[string]kind{
		// A stream's id is its ARN.
		"aws:kinesis/stream:Stream": {naming: "name", answer: func(m *making) (string, map[string]any) {
			id := arn("kinesis", "stream/"+m.physical)
			return id, map[string]any{"arn": id}
		}},
		"aws:kinesis/streamConsumer:StreamConsumer": {naming: "name", answer: func(m *making) (string, map[string]any) {
			id := m.Text("streamArn") + "/consumer/" + m.physical + ":1767225600"
			return id, map[string]any{"arn": id, "creationTimestamp": "2026-01-01T00:00:00Z"}
		}},
		"aws:dynamodb/table:Table":              {naming: "name", answer: named("dynamodb", "table/", nil)},
		"aws:rds/subnetGroup:SubnetGroup":       {naming: "name", answer: named("rds", "subgrp:", nil)},
		"aws:rds/parameterGroup:ParameterGroup": {naming: "name", answer: named("rds", "pg:", nil)},
		"aws:rds/eventSubscription:EventSubscription": {naming: "name", answer: named("rds", "es:", func(*making) map[string]any {
			return map[string]any{"customerAwsId": Account}
		})},
		"aws:rds/instance:Instance": {naming: "identifier", check: checkDatabase, answer: answerDatabase},
	}
}

// answerDatabase is a database: its id is the resource id, which IAM logins are granted on, not the identifier.
func answerDatabase(m *making) (string, map[string]any) {
	resourceID := "db-" + strings.ToUpper(m.hash("id", 26))
	port, given := m.Input("port").(float64)
	if !given {
		port = 5432
	}
	host := m.physical + "." + m.hash("host", 12) + "." + Region + ".rds.amazonaws.com"
	secrets := []any{}
	if m.Input("manageMasterUserPassword") == true && !m.cloud.run.noMasterSecret {
		secrets = append(secrets, map[string]any{
			"secretArn": arn("secretsmanager", "secret:rds!db-"+m.uuid("secret")+"-"+m.hash("secret", 6)), "secretStatus": "active",
			"kmsKeyId": m.Text("masterUserSecretKmsKeyId"),
		})
	}
	return resourceID, map[string]any{
		"arn": arn("rds", "db:"+m.physical), "resourceId": resourceID, "status": "available", "masterUserSecrets": secrets,
		"address": host, "port": port, "endpoint": fmt.Sprintf("%s:%d", host, int(port)), "hostedZoneId": "Z2R2ITUGPM61AM",
		"engineVersionActual": m.Text("engineVersion") + ".9",
	}
}

// checkDatabase refuses combinations that RDS or its provider refuses.
func checkDatabase(m *making) error {
	_, password := m.Inputs["password"]
	allocated, _ := m.Input("allocatedStorage").(float64)
	limit, limited := m.Input("maxAllocatedStorage").(float64)
	switch {
	case m.Input("skipFinalSnapshot") != true && m.Text("finalSnapshotIdentifier") == "":
		return errors.New("finalSnapshotIdentifier is required when skipFinalSnapshot is false")
	case m.Input("manageMasterUserPassword") == true && password:
		return errors.New("password conflicts with manageMasterUserPassword")
	case limited && limit != 0 && limit <= allocated:
		return fmt.Errorf("maxAllocatedStorage %v must exceed allocatedStorage %v", limit, allocated)
	}
	return nil
}
