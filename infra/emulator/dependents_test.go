package emulator

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/rds"
)

// emptyZip is an archive without files.
const emptyZip = "PK\x05\x06\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

func TestSubnetAndGroupOfADatabaseAreRefused(t *testing.T) {
	e := newEngine(t, Options{})
	vpc := e.vpc("vpc-database")
	a, b := e.subnet(vpc, "10.20.1.0/24", "us-east-1a"), e.subnet(vpc, "10.20.2.0/24", "us-east-1b")
	group := e.create(groupToken, "sg", Object{"name": "rds-sg-users", "vpcId": vpc.id})
	name, id := aws.String("users-subnets"), aws.String("users-database")
	if _, err := e.cloud.Database.CreateDBSubnetGroup(t.Context(), &rds.CreateDBSubnetGroupInput{
		DBSubnetGroupName: name, DBSubnetGroupDescription: name, SubnetIds: []string{a.id, b.id},
	}); err != nil {
		t.Fatal(err)
	}
	database, err := e.cloud.Database.CreateDBInstance(t.Context(), &rds.CreateDBInstanceInput{
		DBInstanceIdentifier: id, DBInstanceClass: aws.String("db.t4g.medium"), Engine: aws.String("postgres"), AllocatedStorage: aws.Int32(20),
		MasterUsername: aws.String("master"), MasterUserPassword: aws.String("not-a-secret"), DBSubnetGroupName: name,
		VpcSecurityGroupIds: []string{group.id},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []*made{a, b, group} {
		refused(t, m.tryDelete(), *database.DBInstance.DBInstanceArn)
	}
	if _, err := e.cloud.Database.DeleteDBInstance(t.Context(), &rds.DeleteDBInstanceInput{
		DBInstanceIdentifier: id, SkipFinalSnapshot: aws.Bool(true),
	}); err != nil {
		t.Fatal(err)
	}
	for _, m := range []*made{a, b, group, vpc} {
		m.delete()
	}
}

func TestSubnetAndGroupOfAFunctionAreRefused(t *testing.T) {
	e := newEngine(t, Options{})
	vpc := e.vpc("vpc-function")
	subnet := e.subnet(vpc, "10.20.1.0/24", "us-east-1a")
	group := e.create(groupToken, "sg", Object{"name": "lambda-sg-users", "vpcId": vpc.id})
	role := e.create(roleToken, "role", Object{"name": "users-role", "assumeRolePolicy": lambdaTrust})
	function, err := e.cloud.Function.CreateFunction(t.Context(), &lambda.CreateFunctionInput{
		FunctionName: aws.String("users-function"), Role: role.out.StrPtr("arn"), Runtime: types.RuntimeProvidedal2023,
		Handler: aws.String("bootstrap"), Code: &types.FunctionCode{ZipFile: []byte(emptyZip)},
		VpcConfig: &types.VpcConfig{SubnetIds: []string{subnet.id}, SecurityGroupIds: []string{group.id}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []*made{subnet, group} {
		refused(t, m.tryDelete(), *function.FunctionArn)
	}
	if _, err := e.cloud.Function.DeleteFunction(t.Context(), &lambda.DeleteFunctionInput{FunctionName: function.FunctionName}); err != nil {
		t.Fatal(err)
	}
	for _, m := range []*made{subnet, group, vpc} {
		m.delete()
	}
}
