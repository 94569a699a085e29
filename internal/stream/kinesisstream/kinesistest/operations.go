package kinesistest

import (
	"encoding/json"
	"math/big"
	"strconv"
	"time"
)

// input has the fields of all operations.
type input struct {
	StreamName             string
	ShardCount             int
	ShardToSplit           string
	NewStartingHashKey     string
	ShardToMerge           string
	AdjacentShardToMerge   string
	NextToken              string
	ShardID                string `json:"ShardId"`
	ShardIteratorType      string
	StartingSequenceNumber string
	ShardIterator          string
	Limit                  int
	Records                []entry
}

type entry struct {
	Data         []byte
	PartitionKey string
}

type object map[string]any

// do carries out an operation.
func (s *Server) do(operation string, body []byte) (any, error) {
	var in input
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, &refusal{"SerializationException", "the body is no JSON"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch operation {
	case "CreateStream":
		return s.create(&in)
	case "GetRecords":
		return s.get(&in)
	case "ListShards":
		if in.NextToken != "" {
			in.StreamName, in.NextToken = cut(in.NextToken)
		}
	}
	l, ok := s.streams[in.StreamName]
	if !ok {
		return nil, &refusal{"ResourceNotFoundException", "Stream " + in.StreamName + " under account 123456789012 not found."}
	}
	l.trim(s.now())
	switch operation {
	case "DescribeStreamSummary":
		return s.describe(l), nil
	case "ListShards":
		return s.list(l, &in)
	case "PutRecords":
		return s.put(l, &in)
	case "GetShardIterator":
		return s.iterate(l, &in)
	case "SplitShard":
		return s.split(l, &in)
	case "MergeShards":
		return s.merge(l, &in)
	case "DeleteStream":
		delete(s.streams, in.StreamName)
		return object{}, nil
	}
	return nil, &refusal{"UnknownOperationException", operation}
}

// cut is the inverse of the token that list makes.
func cut(token string) (name, from string) {
	for i := range token {
		if token[i] == '/' {
			return token[:i], token[i+1:]
		}
	}
	return token, ""
}

func (s *Server) create(in *input) (any, error) {
	if _, ok := s.streams[in.StreamName]; ok {
		return nil, &refusal{"ResourceInUseException", "Stream " + in.StreamName + " already exists."}
	}
	s.made++
	s.streams[in.StreamName] = newStream(in.StreamName, s.made, in.ShardCount, s.now())
	return object{}, nil
}

func (s *Server) describe(l *logStream) any {
	open := 0
	for _, sh := range l.shards {
		if sh.closed == "" {
			open++
		}
	}
	return object{"StreamDescriptionSummary": object{
		"StreamName": l.name, "StreamARN": "arn:aws:kinesis:us-east-1:123456789012:stream/" + l.name, "StreamStatus": "ACTIVE",
		"RetentionPeriodHours": l.keeps, "StreamCreationTimestamp": seconds(l.made), "OpenShardCount": open, "EnhancedMonitoring": []any{},
	}}
}

func (s *Server) list(l *logStream, in *input) (any, error) {
	from := 0
	if in.NextToken != "" {
		var err error
		if from, err = strconv.Atoi(in.NextToken); err != nil {
			return nil, &refusal{"ExpiredNextTokenException", "no such token"}
		}
	}
	var all []object
	out := object{}
	for i, sh := range l.shards {
		if i < from {
			continue
		}
		if s.page > 0 && len(all) == s.page {
			out["NextToken"] = l.name + "/" + strconv.Itoa(i)
			break
		}
		numbers := object{"StartingSequenceNumber": sh.opened}
		if sh.closed != "" {
			numbers["EndingSequenceNumber"] = sh.closed
		}
		one := object{
			"ShardId": sh.id, "SequenceNumberRange": numbers,
			"HashKeyRange": object{"StartingHashKey": sh.low.String(), "EndingHashKey": sh.high.String()},
		}
		for n, name := range []string{"ParentShardId", "AdjacentParentShardId"} {
			if n < len(sh.parents) {
				one[name] = sh.parents[n]
			}
		}
		all = append(all, one)
	}
	out["Shards"] = all
	return out, nil
}

func (s *Server) put(l *logStream, in *input) (any, error) {
	total := 0
	for i := range in.Records {
		total += len(in.Records[i].Data) + len(in.Records[i].PartitionKey)
		if n := len(in.Records[i].PartitionKey); n < 1 || n > 256 || len(in.Records[i].Data)+n > 1<<20 {
			return nil, &refusal{"ValidationException", "a record is out of bounds"}
		}
	}
	if len(in.Records) < 1 || len(in.Records) > 500 || total > 5<<20 {
		return nil, &refusal{"ValidationException", "the request is out of bounds"}
	}
	results := make([]map[string]string, len(in.Records))
	failed := 0
	for _, i := range s.random.Perm(len(in.Records)) { // no order is promised
		r := &in.Records[i]
		if s.faults.Record != nil {
			if code := s.faults.Record(r.PartitionKey); code != "" {
				results[i] = map[string]string{"ErrorCode": code, "ErrorMessage": "as the test wants it"}
				failed++
				continue
			}
		}
		sh, sequence := l.put(r.PartitionKey, r.Data, s.now())
		if s.faults.Lost != nil && s.faults.Lost(r.PartitionKey) {
			results[i] = map[string]string{"ErrorCode": InternalFailure, "ErrorMessage": "stored all the same"}
			failed++
			continue
		}
		results[i] = map[string]string{"SequenceNumber": sequence, "ShardId": sh.id}
	}
	return object{"FailedRecordCount": failed, "Records": results}, nil
}

func (s *Server) iterate(l *logStream, in *input) (any, error) {
	sh, err := l.shard(in.ShardID)
	if err != nil {
		return nil, err
	}
	index, err := sh.index(in.ShardIteratorType, in.StartingSequenceNumber, l)
	if err != nil {
		return nil, err
	}
	return object{"ShardIterator": iterator{l.name, sh.id, l.ordinal, index, s.epoch, s.now()}.String()}, nil
}

func (s *Server) get(in *input) (any, error) {
	i, err := parseIterator(in.ShardIterator)
	if err != nil {
		return nil, err
	}
	l, ok := s.streams[i.stream]
	if !ok || l.ordinal != i.ordinal {
		return nil, &refusal{"ResourceNotFoundException", "Stream " + i.stream + " not found."}
	}
	now := s.now()
	l.trim(now)
	sh, err := l.shard(i.shard)
	if err != nil {
		return nil, err
	}
	s.gets[i.stream+"/"+i.shard] = append(s.gets[i.stream+"/"+i.shard], time.Now())
	if i.epoch != s.epoch || now.Sub(i.made) > 5*time.Minute {
		return nil, &refusal{"ExpiredIteratorException", "Iterator expired."}
	}
	from := max(0, i.index-sh.gone)
	to := from
	if in.Limit == 0 {
		in.Limit = 10_000
	}
	if s.faults.Empty == nil || !s.faults.Empty() {
		for size := 0; to < len(sh.records) && to-from < in.Limit && size < 10<<20; to++ {
			size += len(sh.records[to].Data)
		}
	}
	i.index, i.made = sh.gone+to, now
	out := object{"Records": sh.records[from:to], "MillisBehindLatest": 0, "NextShardIterator": i.String()}
	if from == to {
		out["Records"] = []record{}
	}
	if to < len(sh.records) {
		out["MillisBehindLatest"] = max(1, now.Sub(sh.records[to].arrived).Milliseconds())
	} else if sh.closed != "" {
		delete(out, "NextShardIterator")
	}
	return out, nil
}

func (s *Server) split(l *logStream, in *input) (any, error) {
	sh, err := l.shard(in.ShardToSplit)
	if err != nil {
		return nil, err
	}
	at, ok := new(big.Int).SetString(in.NewStartingHashKey, 10)
	if !ok || at.Cmp(sh.low) <= 0 || at.Cmp(sh.high) > 0 || sh.closed != "" {
		return nil, &refusal{"InvalidArgumentException", "the shard cannot be split there"}
	}
	l.close(sh, s.now())
	l.open(sh.low, new(big.Int).Sub(at, big.NewInt(1)), sh.id)
	l.open(at, sh.high, sh.id)
	return object{}, nil
}

func (s *Server) merge(l *logStream, in *input) (any, error) {
	a, err := l.shard(in.ShardToMerge)
	if err != nil {
		return nil, err
	}
	b, err := l.shard(in.AdjacentShardToMerge)
	if err != nil {
		return nil, err
	}
	if a.low.Cmp(b.low) > 0 {
		a, b = b, a
	}
	if a.closed+b.closed != "" || new(big.Int).Add(a.high, big.NewInt(1)).Cmp(b.low) != 0 {
		return nil, &refusal{"InvalidArgumentException", "the shards are not neighbors"}
	}
	l.close(a, s.now())
	l.close(b, s.now())
	l.open(a.low, b.high, in.ShardToMerge, in.AdjacentShardToMerge)
	return object{}, nil
}
