package main

import (
	"context"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"
)

// What goes over the wire is what the vendor's plugin takes and gives; its framework is an older release than ours.

// Handshake is unknown to that release. An engine that gets no answer takes no bytes that are not UTF-8 from a plugin, so
// that output with such bytes fails here, too, and never becomes state that the vendor's plugin could not read.
func (server) Handshake(
	context.Context, *pulumirpc.ProviderHandshakeRequest,
) (*pulumirpc.ProviderHandshakeResponse, error) {
	return nil, status.Error(codes.Unimplemented, "method Handshake not implemented")
}

// Check takes nulls for what is left out, as that release does: a variable of the environment that is null is none.
func (s server) Check(ctx context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	dropNulls(req.GetNews())
	return s.ResourceProviderServer.Check(ctx, req)
}

// Invoke takes nulls as Check does.
func (s server) Invoke(ctx context.Context, req *pulumirpc.InvokeRequest) (*pulumirpc.InvokeResponse, error) {
	dropNulls(req.GetArgs())
	return s.ResourceProviderServer.Invoke(ctx, req)
}

// dropNulls takes the null members out of an object, at any depth; those of a list have their place, and stay.
func dropNulls(object *structpb.Struct) {
	for name, value := range object.GetFields() {
		if _, isNull := value.GetKind().(*structpb.Value_NullValue); isNull {
			delete(object.Fields, name)
		} else {
			dropNullsIn(value)
		}
	}
}

func dropNullsIn(value *structpb.Value) {
	dropNulls(value.GetStructValue())
	for _, element := range value.GetListValue().GetValues() {
		dropNullsIn(element)
	}
}
