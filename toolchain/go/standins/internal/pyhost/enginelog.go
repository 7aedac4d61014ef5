package pyhost

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// engineLog shows what a toolchain writes while it prepares an environment, in the engine's display.
type engineLog struct {
	connection *grpc.ClientConn
	info       io.Writer
	error      io.Writer
}

func (h *Host) newEngineLog(ctx context.Context) (*engineLog, error) {
	connection, err := grpc.NewClient(h.engineAddress(),
		grpc.WithTransportCredentials(insecure.NewCredentials()), rpcutil.GrpcChannelOptions())
	if err != nil {
		return nil, fmt.Errorf("connecting to the engine: %w", err)
	}
	client := pulumirpc.NewEngineClient(connection)
	return &engineLog{
		connection: connection,
		info:       logWriter{ctx, client, pulumirpc.LogSeverity_INFO},
		error:      logWriter{ctx, client, pulumirpc.LogSeverity_ERROR},
	}, nil
}

// Close ends the connection.
func (l *engineLog) Close() { _ = l.connection.Close() }

type logWriter struct {
	ctx      context.Context
	client   pulumirpc.EngineClient
	severity pulumirpc.LogSeverity
}

func (w logWriter) Write(text []byte) (int, error) {
	_, err := w.client.Log(w.ctx, &pulumirpc.LogRequest{
		Severity: w.severity, Message: strings.ToValidUTF8(string(text), "\uFFFD"), Ephemeral: true,
	})
	return len(text), err
}
