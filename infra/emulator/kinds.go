package emulator

import "slices"

// Kinds are all resource types that the provider knows, one file a service.
func Kinds() []Kind {
	return slices.Concat(
		networkKinds(), groupKinds(), identityKinds(), logKinds(),
		keyKinds(), streamKinds(), queueKinds(), tableKinds(), databaseKinds(), cacheKinds(),
		functionKinds(), gatewayKinds(), scheduleKinds(), watchKinds(), topicKinds(),
	)
}
