package sizing

import (
	"strconv"
	"strings"
)

// Connections to the database, in the order in which they are counted.
const (
	// FunctionConnections is how many connections one running function opens at the most.
	FunctionConnections = 4
	// PeopleConnections are left for people and their tools.
	PeopleConnections = 10
	// ReservedConnections are those that RDS keeps for itself and its administrators.
	ReservedConnections = 5
	// MostConnections is where RDS ends, whatever the instance's memory.
	MostConnections = 5000
)

const (
	// connectionBytes is the memory for which RDS admits one connection: max_connections is DBInstanceClassMemory/9531392.
	connectionBytes = 9_531_392
	// databaseMemory is the part of an instance's memory that counts there, in percent. What RDS and the system take is not
	// documented; instances of 4 GiB and more were seen to keep about 90.
	databaseMemory = 85
)

// Connections returns how many connections to the database there are at the most, with so many executions of ingest and
// process at once (0 or more), one of admin, and people.
func Connections(executions int) int {
	return FunctionConnections*(executions+1) + PeopleConnections
}

// MaxConnections returns how many connections an RDS for PostgreSQL instance class such as db.r7g.large takes with the
// max_connections that RDS sets. It is not known for a class that is none, or of a family that is not.
func MaxConnections(class string) (n int, known bool) {
	gib, known := databaseGiB(class)
	if !known {
		return 0, false
	}
	admitted := int(gib * (1 << 30) / 100 * databaseMemory / connectionBytes)
	return min(admitted, MostConnections) - ReservedConnections, true
}

// databaseGiB is an instance class's memory. A family has so much for its size large; xlarge is twice that, and 4xlarge
// four times xlarge.
func databaseGiB(class string) (gib float64, known bool) {
	parts := strings.Split(class, ".")
	if len(parts) != 3 || parts[0] != "db" || parts[1] == "" {
		return 0, false
	}
	large, ok := map[byte]float64{'c': 4, 'm': 8, 't': 8, 'r': 16, 'z': 16, 'x': 32}[parts[1][0]]
	if !ok {
		return 0, false
	}
	switch size := parts[2]; size {
	case "micro":
		return large / 8, true
	case "small":
		return large / 4, true
	case "medium":
		return large / 2, true
	case "large":
		return large, true
	default:
		times, ok := strings.CutSuffix(size, "xlarge")
		if !ok {
			return 0, false
		}
		n := 1
		if times != "" {
			var err error
			if n, err = strconv.Atoi(times); err != nil || n < 1 {
				return 0, false
			}
		}
		return 2 * large * float64(n), true
	}
}
