module github.com/shadowgpio/shadowgpio

go 1.26.0

require github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream v1.7.26

require (
	github.com/aws/smithy-go v1.28.8 // indirect
	github.com/google/renameio/v2 v2.0.2
	github.com/pkg/errors v0.9.1 // indirect
	github.com/prometheus/procfs v0.23.0
	github.com/warthog618/go-gpiocdev v0.9.1
	github.com/warthog618/go-gpiosim v0.1.1
	go.yaml.in/yaml/v3 v3.0.6
	golang.org/x/sys v0.49.0
)
