package tapstack

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// settings are the environment of a function: the flags of `fastshop`, in capitals with FASTSHOP_ before. The program
// reads the same names; ../settings.golden, written by a test here and read by one there, keeps both sides equal. No
// secret is among them: database and cache are entered with tokens that IAM issues, keys are opened by KMS.
func (s *TapStack) settings(function string) pulumi.StringMap {
	m := pulumi.StringMap{
		"FASTSHOP_ENVIRONMENT": pulumi.String(s.args.EnvironmentSuffix),
		"FASTSHOP_VELOCITY":    s.velocityURL(),
		"FASTSHOP_LOG_FORMAT":  pulumi.String("json"),
		"FASTSHOP_LOG_LEVEL":   pulumi.String("info"),
	}
	if function != "process" { // which is handed its records by Lambda, and opens no key
		m["FASTSHOP_STREAM"] = pulumi.Sprintf("kinesis://%s?region=%s", s.stream.stream.Name, Region)
		m["FASTSHOP_KEYS"] = pulumi.Sprintf("dynamodb://%s?region=%s", s.keystore.table.Name, Region)
		m["FASTSHOP_KEK"] = pulumi.Sprintf("awskms:///%s", s.keys[ClassPII].Arn)
		m["FASTSHOP_TOKEN_KEK"] = pulumi.Sprintf("awskms:///%s", s.keys[ClassToken].Arn)
	}
	switch function {
	case "ingest":
		m["FASTSHOP_STORE"] = s.storeURL(userIngest)
	case "process":
		m["FASTSHOP_STORE"] = s.storeURL(userProcessor)
	case "admin":
		m["FASTSHOP_STORE"] = s.storeURL(userProcessor) // it heals windows and carries what failed, as process would
		m["FASTSHOP_MIGRATE_STORE"] = s.storeURL(userMigrate)
		m["FASTSHOP_MASTER_STORE"] = pulumi.Sprintf("postgres://%s/%s?sslmode=verify-full&auth=secret&secret=%s", s.database.instance.Endpoint, databaseName, s.database.secretArn)
		m["FASTSHOP_DEAD_LETTERS"] = s.queue.deadLetters.Url
	}
	return m
}

// storeURL is the database for one of its users, who signs in with a token of IAM; the server must prove its name.
func (s *TapStack) storeURL(user string) pulumi.StringOutput {
	return pulumi.Sprintf("postgres://%s@%s/%s?sslmode=verify-full&auth=iam&region=%s", user, s.database.instance.Endpoint, databaseName, Region)
}

// velocityURL is the cache. shape tells which client to build, so that nobody guesses it from an address.
func (s *TapStack) velocityURL() pulumi.StringOutput {
	return pulumi.Sprintf("rediss://%s@%s:%d?shape=%s&auth=iam&group=%s&region=%s&prefix=%s",
		s.cacheUser(), s.cache.endpoint, cachePort, string(s.args.CacheShape), s.name("redis"), Region, keyPrefix)
}
