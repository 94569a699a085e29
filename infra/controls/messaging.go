package controls

import "slices"

// messagingControls are about queues and topics.
func messagingControls() []Control {
	return []Control{
		{"SQS.1", []string{"CKV_AWS_27"}, FSBP, "Queues are encrypted",
			every(queue, rule{"kmsMasterKeyId", func(_ *inspection, v any) bool { return !empty(v) }, "encrypt the queue with KMS"})},
		{"CKV2_AWS_73", nil, Checkov, "Queues are encrypted with a key of ours",
			every(queue, ownKey("kmsMasterKeyId"))},
		{"SQS.3", []string{"CKV_AWS_168"}, FSBP, "No queue is open to the public", notPublic(queuePolicy)},
		{"CKV_AWS_72", nil, Checkov, "No queue policy allows every action", noAllowOfAll(queuePolicy)},
		{"SQS3", nil, CDKNag, "Every queue has a dead-letter queue or is one", deadLettered},
		{"SQS4", nil, CDKNag, "Queues refuse what does not come over TLS", tlsOnly(queue, queuePolicy, "queueUrl", "sqs:SendMessage", "sqs:ReceiveMessage")},
		{"SNS.1", []string{"CKV_AWS_26"}, SecurityHub, "Topics are encrypted with a key of ours",
			every(topic, ownKey("kmsMasterKeyId"))},
		{"SNS.4", []string{"CKV_AWS_169", "CKV_AWS_385"}, FSBP, "No topic is open to the public", notPublic(topicPolicy)},
		{"SNS3", nil, CDKNag, "Topics refuse what does not come over TLS", tlsOnly(topic, topicPolicy, "arn", "sns:Publish")},
	}
}

// notPublic refuses a statement that allows everybody, whatever its conditions.
func notPublic(token string) func(*inspection) {
	return func(in *inspection) {
		for _, d := range in.documents(token) {
			for _, s := range d.allows() {
				in.want(!slices.ContainsFunc(s.principals(), wild), d.owner, d.field, s.name()+": name the principals instead of *")
			}
		}
	}
}

func noAllowOfAll(token string) func(*inspection) {
	return func(in *inspection) {
		for _, d := range in.documents(token) {
			for _, s := range d.allows() {
				in.want(!slices.ContainsFunc(s.Action, wild), d.owner, d.field, s.name()+": list the actions")
			}
		}
	}
}

// deadLettered wants a redrive policy, or that a function or an event source leaves its failures in the queue.
func deadLettered(in *inspection) {
	in.each(queue, func(q *Resource) {
		is := slices.ContainsFunc(in.ofType(function), func(f *Resource) bool { return f.Input("deadLetterConfig.targetArn") == q.Output("arn") }) ||
			slices.ContainsFunc(in.ofType(sourceMapping), func(m *Resource) bool {
				return m.Input("destinationConfig.onFailure.destinationArn") == q.Output("arn")
			})
		in.want(is || q.Text("redrivePolicy") != "", q, "redrivePolicy", "give the queue a dead-letter queue")
	})
}

// tlsOnly wants a policy of each queue or topic that denies everybody the verbs over plain connections.
func tlsOnly(token, policies, reference string, verbs ...string) func(*inspection) {
	return func(in *inspection) {
		in.each(token, func(r *Resource) {
			for _, verb := range verbs {
				denied := slices.ContainsFunc(in.documents(policies), func(d document) bool {
					denies := func(s statement) bool { return s.deniesPlainText(verb) }
					return in.byID(token, d.owner.Input(reference)) == r && slices.ContainsFunc(d.Statement, denies)
				})
				in.want(denied, r, "policy", "deny every principal "+verb+" where aws:SecureTransport is false")
			}
		})
	}
}
