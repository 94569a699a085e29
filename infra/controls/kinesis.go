package controls

// kinesisControls are about the stream of transactions.
func kinesisControls() []Control {
	return []Control{
		{"Kinesis.1", []string{"CKV_AWS_43"}, FSBP, "The stream is encrypted at rest",
			every(stream, is("encryptionType", "KMS"))},
		{"KDS3", []string{"CKV_AWS_185"}, CDKNag, "The stream is encrypted with a key of ours, not with Kinesis's own",
			every(stream, ownKey("kmsKeyId"))},
		{"Kinesis.2", nil, SecurityHub, "The stream is tagged",
			every(stream, given("tags"))},
		{"Kinesis.3", nil, FSBP, "The stream keeps its records for a week, long enough to notice and to replay",
			every(stream, atLeast("retentionPeriod", 168))},
	}
}
