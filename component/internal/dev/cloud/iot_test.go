package cloud

import (
	"errors"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"
)

// TestAWSsClientForGo makes groups and searches with the official client.
func TestAWSsClientForGo(t *testing.T) {
	c := start(t)
	client := iot.New(iot.Options{
		BaseEndpoint: aws.String("http://" + c.HTTP),
		Region:       Region,
		Credentials:  credentials.NewStaticCredentialsProvider(AccessKeyID, SecretAccessKey, ""),
	})
	ctx := t.Context()
	add := func(thing string) error {
		_, err := client.AddThingToThingGroup(ctx, &iot.AddThingToThingGroupInput{ThingGroupName: aws.String("hall"), ThingName: &thing})
		return err
	}
	if _, ok := errors.AsType[*types.ResourceNotFoundException](add("door")); !ok {
		t.Error("a thing was added to a group that nobody made")
	}
	if _, err := client.CreateThingGroup(ctx, &iot.CreateThingGroupInput{ThingGroupName: aws.String("hall")}); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if err := add(fmt.Sprintf("door-%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	var listed []string
	for pages := iot.NewListThingsInThingGroupPaginator(client, &iot.ListThingsInThingGroupInput{
		ThingGroupName: aws.String("hall"), MaxResults: aws.Int32(2),
	}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		listed = append(listed, page.Things...)
	}
	if fmt.Sprint(listed) != "[door-0 door-1 door-2 door-3 door-4]" {
		t.Errorf("the group has %v", listed)
	}
	if _, err := c.Shadows.Update(room, []byte(`{"state":{"reported":{"level":7}}}`)); err != nil {
		t.Fatal(err)
	}
	found, err := client.SearchIndex(ctx, &iot.SearchIndexInput{QueryString: aws.String("shadow.name.room.reported.level:[5 TO 9] OR thingName:*-3")})
	if err != nil || len(found.Things) != 2 {
		t.Fatalf("found %+v, %v", found, err)
	}
	door, gateway := found.Things[0], found.Things[1]
	if *door.ThingName != "door-3" || fmt.Sprint(door.ThingGroupNames) != "[hall]" ||
		*gateway.ThingName != "gw" || *gateway.Shadow != `{"name":{"room":{"reported":{"level":7}}}}` || *gateway.Connectivity.Connected {
		t.Errorf("found %+v, %+v", door, gateway)
	}
	_, err = client.SearchIndex(ctx, &iot.SearchIndexInput{QueryString: aws.String("nonsense")})
	if _, ok := errors.AsType[*types.InvalidRequestException](err); !ok {
		t.Errorf("a query that is none: %v", err)
	}
}
