package moto_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/fastshop/pipeline/infra/emulator/moto"
	"github.com/fastshop/pipeline/infra/emulator/moto/mototest"
)

func TestMotoAnswersAndEnds(t *testing.T) {
	m := mototest.Start(t)
	if got := vpcs(t, m); got != 1 {
		t.Fatalf("a new emulator has %d VPCs, want its default one", got)
	}
	call(t, m, "Action=CreateVpc&CidrBlock=10.0.0.0/16")
	if got := vpcs(t, m); got != 2 {
		t.Fatalf("after CreateVpc there are %d VPCs, want 2", got)
	}
	m.Stop()
	m.Stop()
	gone(t, m)
}

func TestMotoEndsWithItsStarter(t *testing.T) {
	m := mototest.Start(t)
	if err := m.Orphan(); err != nil {
		t.Fatal(err)
	}
	gone(t, m)
}

// gone fails the test where somebody listens at the endpoint.
func gone(t *testing.T, m *moto.Moto) {
	t.Helper()
	answer, err := http.Get(m.Endpoint())
	if err == nil {
		_ = answer.Body.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("asked again, it answers %v, want %v", err, syscall.ECONNREFUSED)
	}
}

func vpcs(t *testing.T, m *moto.Moto) int {
	t.Helper()
	return strings.Count(call(t, m, "Action=DescribeVpcs"), "<vpcId>")
}

func call(t *testing.T, m *moto.Moto, query string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, m.Endpoint(), strings.NewReader(query+"&Version=2016-11-15"))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/ec2/aws4_request, SignedHeaders=host, Signature=x")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
